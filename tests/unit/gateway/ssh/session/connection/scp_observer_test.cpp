#include <gtest/gtest.h>

#include "watched.hpp"

namespace envgate::ssh::session {
namespace {

using monitor::FileMoved;
using namespace std::string_literals;
using test::kHashOfAbc;
using test::kHashOfNothing;

FileMoved upload(const std::string& path, std::uint64_t bytes, const std::string& hash,
                 const std::string& result = "ok") {
  return {0, "write", path, "", "upload", bytes, hash, result};
}

class Scp : public test::Watched {
 protected:
  void SetUp() override { run("scp -t /tmp"); }
  void run(const std::string& command) { observer = observer_of_command(command, 4, sink); }
  const std::string ok = "\0"s;
};

TEST_F(Scp, IsKnownByItsCommand) {
  for (const char* command : {"scp -t x", "/usr/bin/scp -f x", "scp -v -r -p -d -t -- x", "  scp\t-rf x"}) {
    run(command);
    EXPECT_NE(observer, nullptr) << command;
  }
  for (const char* command :
       {"scp x y", "scp", "scp -r x -t", "scp -- -t", "myscp -t x", "sudo scp -t", ""}) {
    run(command);
    EXPECT_EQ(observer, nullptr) << command;
  }
}

TEST_F(Scp, AFileIsToldOnceItIsAcknowledged) {
  target(ok);
  client("T1700000000 0 1700000000 0\n");
  target(ok);
  client("C0644 3 a file\n");
  target(ok);
  client("ab");
  client("c");
  client(ok);
  EXPECT_TRUE(events.empty());
  target(ok);
  EXPECT_EQ(told(), upload("a file", 3, kHashOfAbc));
}

TEST_F(Scp, ADownloadIsSentByTheTarget) {
  run("scp -f /tmp/f");
  client(ok);
  target("C0644 3 f\n");
  client(ok);
  target("abc\0"s);
  client(ok);
  EXPECT_EQ(told(), (FileMoved{0, "read", "f", "", "download", 3, kHashOfAbc, "ok"}));
}

TEST_F(Scp, EmptyFilesHaveAHash) {
  target(ok);
  client("C0600 0 empty\n");
  target(ok);
  client(ok);
  target(ok);
  EXPECT_EQ(told(), upload("empty", 0, kHashOfNothing));
}

TEST_F(Scp, DirectoriesAreInThePath) {
  client("D0755 0 d\nD0755 0 e\nC0644 3 f\nabc\0E\nE\nC0644 3 g\nabc\0"s);  // ahead of all acknowledgements
  target(std::string(9, '\0'));
  EXPECT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].path, "d/e/f");
  EXPECT_EQ(events[1].path, "g");
}

TEST_F(Scp, ARefusedDirectoryIsLeft) {
  target(ok);
  client("D0755 0 d\n");
  target("\1scp: d: Permission denied\n");
  client("C0644 0 f\n");
  target(ok);
  client(ok);
  target(ok);
  EXPECT_EQ(told().path, "f");
}

TEST_F(Scp, ARefusedFileIsNotSent) {
  target(ok);
  client("C0644 3 f\n");
  target("\1scp: f: Permission denied\n");
  EXPECT_EQ(told(), upload("f", 0, "", "scp: f: Permission denied"));
  client("C0644 3 g\n");
  target(ok);
  client("abc\0"s);
  target(ok);
  EXPECT_EQ(told(), upload("g", 3, kHashOfAbc));
}

TEST_F(Scp, AFileThatIsRefusedWhenItIsThere) {
  target(ok);
  client("C0644 3 f\n");
  target(ok);
  client("abc\0"s);
  target("\1No space left on device\n");
  EXPECT_EQ(told(), upload("f", 3, "", "No space left on device"));
}

TEST_F(Scp, AFileThatTheSenderCouldNotRead) {
  target(ok);
  client("C0644 3 f\n");
  target(ok);
  client("ab\0\1Input/output error\n"s);
  target(ok);
  EXPECT_EQ(told(), upload("f", 3, "", "Input/output error"));
}

TEST_F(Scp, AFileThatIsNotThere) {
  run("scp -f nope");
  client(ok);
  target("\1scp: nope: No such file or directory\n");
  EXPECT_EQ(told().result, "scp: nope: No such file or directory");
  EXPECT_TRUE(observer->observing());
}

TEST_F(Scp, WhatIsCutOffIsToldAsSuch) {
  target(ok);
  client("C0644 3 f\n");
  target(ok);
  client("ab");
  observer->end();
  EXPECT_EQ(told(), upload("f", 2, "", "cut off"));
  run("scp -t x");
  client("C0644 3 f\nabc\0"s);
  observer->end();
  EXPECT_EQ(told(), upload("f", 3, "", "no acknowledgement"));
}

TEST_F(Scp, ARefusalOfWhatWasSentAheadEndsIt) {
  target(ok);
  client("C0644 3 f\nabc"s);
  target("\1no\n");
  stopped("target");
}

TEST_F(Scp, WhatIsNoScpEndsIt) {
  const std::string lines[] = {
      "X\n",
      "\n",
      "E\n",
      "C0644 f\n",
      "C0644 -1 f\n",
      "C0644 99999999999999999999 f\n",
      "C0644 3 \n",
      "C644 3 f\n",
      "C0999 3 f\n",
      "C0644 3\n",
      "D0755 x d\n",
      "C0644 0 f\nx",
      std::string(5000, 'C'),
      "\1" + std::string(5000, 'm'),
  };
  for (const std::string& line : lines) {
    SCOPED_TRACE(line.substr(0, 40));
    SetUp();
    events.clear();
    client(line);
    stopped("client");
    client("more");  // nobody looks
    target("more");
  }
  SetUp();
  target("no acknowledgement");
  stopped("target");
  SetUp();
  target(ok + ok);  // one that nothing was sent for
  stopped("target");
}

TEST_F(Scp, EverythingHasABound) {
  for (int depth = 0; depth < 256; ++depth) {
    client("D0755 0 d\n");
    target(ok);
  }
  EXPECT_TRUE(observer->observing());
  client("D0755 0 d\n");
  stopped("client");
  SetUp();
  client("D0755 0 " + std::string(4000, 'd') + "\nD0755 0 " + std::string(200, 'd') + "\n");
  stopped("client");
  SetUp();
  for (int times = 0; times < 255; ++times) client("T1 0 1 0\n");
  EXPECT_TRUE(observer->observing());
  client("T1 0 1 0\n");
  stopped("client");
  SetUp();
  target(ok + "\1" + std::string(5000, 'm'));
  stopped("target");
}

}  // namespace
}  // namespace envgate::ssh::session
