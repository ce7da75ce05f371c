#include "gateway/ssh/session/connection/sftp_observer.hpp"

#include <gtest/gtest.h>

#include "gateway/ssh/auth/wire.hpp"
#include "watched.hpp"

namespace envgate::ssh::session {
namespace {

using auth::Writer;
using monitor::FileMoved;
using test::kHashOfAbc;
using test::kHashOfNothing;

constexpr std::uint32_t kGet = 1, kPut = 2 | 8 | 16;  // pflags of OpenSSH's get and put

class Sftp : public test::Watched {
 protected:
  void SetUp() override { begin(); }
  void begin() {
    observer = std::make_unique<SftpObserver>(4, sink);
    events.clear();
    client(packet(1, Writer().uint32(3)));
    target(packet(2, Writer().uint32(3)));
  }

  static std::string packet(std::uint8_t type, const Writer& body) {
    return std::move(Writer()
                         .uint32(static_cast<std::uint32_t>(body.bytes().size() + 1))
                         .byte(type)
                         .raw(body.bytes()))
        .bytes();
  }
  static Writer numbered(std::uint32_t id) { return std::move(Writer().uint32(id)); }
  static std::string open(std::uint32_t id, std::string_view path, std::uint32_t flags) {
    return packet(3, numbered(id).string(path).uint32(flags).uint32(0));
  }
  static std::string close(std::uint32_t id, std::string_view handle = "h") {
    return packet(4, numbered(id).string(handle));
  }
  static std::string read(std::uint32_t id, std::uint64_t offset, std::uint32_t length = 100) {
    return packet(5, numbered(id).string("h").uint64(offset).uint32(length));
  }
  static std::string write(std::uint32_t id, std::uint64_t offset, std::string_view bytes) {
    return packet(6, numbered(id).string("h").uint64(offset).string(bytes));
  }
  static std::string status(std::uint32_t id, std::uint32_t code = 0) {
    return packet(101, numbered(id).uint32(code).string("whatever it says").string("en"));
  }
  static std::string handle(std::uint32_t id, std::string_view handle = "h") {
    return packet(102, numbered(id).string(handle));
  }
  static std::string data(std::uint32_t id, std::string_view bytes) {
    return packet(103, numbered(id).string(bytes));
  }
  static std::string attributes(std::uint32_t id, std::uint64_t size) {
    return packet(105, numbered(id).uint32(1 | 4).uint64(size).uint32(0644));
  }

  void opened(std::uint32_t flags) {
    client(open(1, "/f", flags));
    target(handle(1));
    EXPECT_TRUE(events.empty());
  }
  FileMoved closed() {
    client(close(99));
    EXPECT_TRUE(events.empty());
    target(status(99));
    return told();
  }
};

FileMoved upload(std::uint64_t bytes, const std::string& hash, const std::string& result = "ok") {
  return {0, "write", "/f", "", "upload", bytes, hash, result};
}
FileMoved download(std::uint64_t bytes, const std::string& hash, const std::string& result = "ok") {
  return {0, "read", "/f", "", "download", bytes, hash, result};
}

TEST_F(Sftp, AFileThatIsPut) {
  opened(kPut);
  client(write(2, 0, "a") + write(3, 1, "bc"));
  target(status(3) + status(2));  // in any order
  EXPECT_EQ(closed(), upload(3, kHashOfAbc));
}

TEST_F(Sftp, AFileThatIsGot) {
  opened(kGet);
  client(read(2, 0) + read(3, 100));
  target(data(2, "abc"));
  target(status(3, 1));
  EXPECT_EQ(closed(), download(3, ""));  // it may go on: nobody has seen its end
  opened(kGet);
  client(read(2, 0) + read(3, 3));
  target(data(2, "abc") + status(3, 1));
  EXPECT_EQ(closed(), download(3, kHashOfAbc));
}

TEST_F(Sftp, ItsEndMayBeKnownByItsLength) {
  opened(kGet);
  client(packet(8, numbered(7).string("h")) + read(2, 0));
  target(attributes(7, 3) + data(2, "abc"));
  EXPECT_EQ(closed(), download(3, kHashOfAbc));
  client(packet(17, numbered(7).string("/f")));
  target(attributes(7, 3));
  opened(kGet);
  client(read(2, 0));
  target(data(2, "abc"));
  EXPECT_EQ(closed(), download(3, kHashOfAbc));
}

TEST_F(Sftp, ALengthOfNothingTellsNothing) {
  opened(kGet);
  client(packet(8, numbered(7).string("h")) + read(2, 0));
  target(attributes(7, 0) + data(2, "abc"));  // /proc/version
  EXPECT_EQ(closed(), download(3, ""));
}

TEST_F(Sftp, ByteByByteItIsTheSame) {
  const auto each = [this](Side side, const std::string& bytes) {
    for (const char c : bytes) observer->data(side, std::string_view(&c, 1));
  };
  each(Side::client, open(1, "/f", kPut));
  each(Side::target, handle(1));
  each(Side::client, write(2, 0, "abc") + close(3));
  each(Side::target, status(2) + status(3));
  EXPECT_EQ(told(), upload(3, kHashOfAbc));
}

TEST_F(Sftp, EmptyFilesHaveAHash) {
  opened(kPut);
  EXPECT_EQ(closed(), upload(0, kHashOfNothing));
}

TEST_F(Sftp, OnlyTheWholeFileHasAHash) {
  opened(kPut);
  client(write(2, 1, "bc") + write(3, 0, "a"));  // out of order
  target(status(2) + status(3));
  EXPECT_EQ(closed(), upload(3, ""));
  opened(2 | 8);  // what was in the file may stay behind it
  client(write(2, 0, "abc"));
  target(status(2));
  EXPECT_EQ(closed(), upload(3, ""));
  opened(kPut);
  client(write(2, 0, "abc") + packet(10, numbered(3).string("h").uint32(1).uint64(2)));  // cut to 2 bytes
  target(status(2) + status(3));
  EXPECT_EQ(told().operation, "setstat");
  EXPECT_EQ(closed(), upload(3, ""));
  opened(kGet);
  client(read(2, 1) + read(3, 4));  // not from the start
  target(data(2, "bc") + status(3, 1));
  EXPECT_EQ(closed(), download(2, ""));
}

TEST_F(Sftp, AFileThatIsCutToWhatWasWrittenIsWhole) {
  opened(2 | 8);  // not emptied, as OpenSSH's scp has it
  client(write(2, 0, "abc") + packet(10, numbered(3).string("h").uint32(1).uint64(3)));
  target(status(2) + status(3));
  EXPECT_EQ(told().operation, "setstat");
  EXPECT_EQ(closed(), upload(3, kHashOfAbc));
}

TEST_F(Sftp, WhatFailedIsTold) {
  client(open(1, "/f", kPut));
  target(status(1, 3));
  EXPECT_EQ(told(), upload(0, "", "permission denied"));
  opened(kPut);
  client(write(2, 0, "abc"));
  target(status(2, 4));
  EXPECT_EQ(closed(), upload(0, "", "failure"));
  opened(kGet);
  client(read(2, 0));
  target(status(2, 999));
  EXPECT_EQ(closed(), download(0, "", "status 999"));
}

TEST_F(Sftp, WhatIsCutOffIsToldAsSuch) {
  opened(kPut);
  client(write(2, 0, "abc") + packet(13, numbered(3).string("/g")));
  target(status(2));
  observer->end();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].result, "cut off");
  EXPECT_EQ(events[0].bytes, 3u);
  EXPECT_EQ(events[0].sha256, "");
  EXPECT_EQ(events[1].operation, "remove");
  EXPECT_EQ(events[1].result, "no answer");
}

TEST_F(Sftp, OneHandleReadAndWritten) {
  opened(kGet | kPut);
  client(write(2, 0, "abc"));
  target(status(2));
  client(read(3, 0) + read(4, 3));
  target(data(3, "abc") + status(4, 1));
  client(close(5));
  target(status(5));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].direction, "upload");
  EXPECT_EQ(events[1].direction, "download");
  EXPECT_EQ(events[1].sha256, kHashOfAbc);
}

TEST_F(Sftp, OperationsOnNames) {
  struct Case {
    std::string packet, operation, path, to_path;
  };
  const auto extended = [](const char* name) { return std::move(numbered(5).string(name)); };
  const Case cases[] = {
      {packet(13, numbered(5).string("/a")), "remove", "/a", ""},
      {packet(14, numbered(5).string("/a").uint32(0)), "mkdir", "/a", ""},
      {packet(15, numbered(5).string("/a")), "rmdir", "/a", ""},
      {packet(18, numbered(5).string("/a").string("/b")), "rename", "/a", "/b"},
      {packet(20, numbered(5).string("/a").string("/b")), "symlink", "/a", "/b"},
      {packet(9, numbered(5).string("/a").uint32(4).uint32(0600)), "setstat", "/a", ""},
      {packet(200, extended("posix-rename@openssh.com").string("/a").string("/b")), "rename", "/a", "/b"},
      {packet(200, extended("hardlink@openssh.com").string("/a").string("/b")), "hardlink", "/a", "/b"},
      {packet(200, extended("lsetstat@openssh.com").string("/a").uint32(0)), "setstat", "/a", ""},
      {packet(200, extended("what@is.this").uint32(7)), "extended", "what@is.this", ""},
  };
  for (const Case& c : cases) {
    client(c.packet);
    EXPECT_TRUE(events.empty());
    target(status(5));
    EXPECT_EQ(told(), (FileMoved{0, c.operation, c.path, c.to_path, "", 0, "", "ok"}));
    client(c.packet);
    target(status(5, 2));
    EXPECT_EQ(told().result, "no such file");
  }
}

TEST_F(Sftp, DirectoriesThatAreListed) {
  client(packet(11, numbered(1).string("/d")));
  target(handle(1));
  EXPECT_EQ(told(), (FileMoved{0, "list", "/d", "", "", 0, "", "ok"}));
  client(packet(12, numbered(2).string("h")));
  target(packet(104, numbered(2).uint32(1).string("a").string("-rw").uint32(0)));
  client(close(3));
  target(status(3));
  EXPECT_TRUE(events.empty());
  client(packet(11, numbered(1).string("/d")));
  target(status(1, 2));
  EXPECT_EQ(told().result, "no such file");
}

TEST_F(Sftp, WhatChangesNothingIsNotTold) {
  for (const std::uint8_t type : {7, 16, 17, 19}) {
    client(packet(type, numbered(5).string("/a")));
    target(status(5, 2));
  }
  client(packet(200, numbered(5).string("statvfs@openssh.com").string("/a")));
  target(packet(201, numbered(5).raw(std::string(88, 'x'))));
  EXPECT_TRUE(events.empty());
  EXPECT_TRUE(observer->observing());
}

TEST_F(Sftp, ACopyWithinTheTarget) {
  opened(kPut);
  client(write(2, 0, "abc") +
         packet(200, numbered(3).string("copy-data").string("h").uint64(0).uint64(0).string("h").uint64(3)));
  target(status(2) + status(3));
  EXPECT_EQ(told(), (FileMoved{0, "copy", "/f", "/f", "", 0, "", "ok"}));
  EXPECT_EQ(closed(), upload(3, ""));
}

TEST_F(Sftp, LongPathsAreCut) {
  client(packet(13, numbered(5).string(std::string(9000, 'p'))));
  target(status(5));
  EXPECT_EQ(told().path.size(), 4096u);
  client(packet(18, numbered(5).string(std::string(200'000, 'p')).string("/b")));  // beyond what is kept
  target(status(5));
  EXPECT_EQ(told().path.size(), 4096u);
  client(packet(13, numbered(6).string("/after")));
  target(status(6));
  EXPECT_EQ(told().path, "/after");
}

TEST_F(Sftp, WhatTheClientSendsIsNoSftp) {
  const std::string cases[] = {
      packet(1, Writer().uint32(3)),                           // a second INIT
      packet(99, numbered(1)),                                 // no such type
      packet(101, numbered(1).uint32(0)),                      // an answer
      packet(6, numbered(1).string("h").uint64(0).uint32(5)),  // its data is not there
      packet(6, numbered(1).string(std::string(257, 'h')).uint64(0).string("x")),
      packet(5, numbered(1).string("h").uint64(0)),
      packet(13, numbered(1)),
      packet(3, numbered(1).string("/f")),
      packet(200, numbered(1)),
      std::string(4, '\0') + "x",      // a packet of no bytes
      std::string("\0\x10\0\2\1", 5),  // of more than a mebibyte
      "SSH-2.0-this is something else",
      read(1, 0) + read(1, 5),  // one number twice
  };
  for (const std::string& bytes : cases) {
    begin();
    client(bytes);
    stopped("client");
    client("more");
    target("more");
    EXPECT_EQ(events.size(), 1u);
  }
}

TEST_F(Sftp, WhatTheTargetSendsIsNoSftp) {
  const std::string cases[] = {
      status(9),
      packet(2, Writer().uint32(3)),
      packet(101, numbered(1)),
      handle(1),
      data(1, std::string(101, 'x')),
      packet(103, numbered(1).uint32(7).raw("x")),
      attributes(1, 5),
      packet(104, numbered(1)),
      status(1, 0),
      "Permission denied\n",
  };
  for (const std::string& bytes : cases) {
    begin();
    client(read(1, 0));
    target(bytes);
    stopped("target");
  }
  begin();
  client(open(1, "/f", kGet) + open(2, "/g", kGet));
  target(handle(1) + handle(2));  // one handle for both
  stopped("target");
  begin();
  client(open(1, "/f", kGet));
  target(handle(1, std::string(257, 'h')));
  stopped("target");
  begin();
  client(open(1, "/f", kGet));
  target(status(1, 0));
  stopped("target");
}

TEST_F(Sftp, ItBeginsWithItsVersions) {
  observer = std::make_unique<SftpObserver>(4, sink);
  client(open(1, "/f", kGet));
  stopped("client");
  observer = std::make_unique<SftpObserver>(4, sink);
  target("bash: sftp-server: command not found\n");
  stopped("target");
}

TEST_F(Sftp, RequestsAndHandlesHaveABound) {
  for (std::uint32_t id = 0; id < 4096; ++id) client(read(id, 0));
  EXPECT_TRUE(observer->observing());
  client(read(4096, 0));
  stopped("client");
  begin();
  for (std::uint32_t id = 0; id < 1024; ++id) {
    client(open(id, "/f", kGet));
    target(handle(id, std::to_string(id)));
  }
  EXPECT_TRUE(observer->observing());
  client(open(5000, "/f", kGet));
  target(handle(5000, "one more"));
  stopped("target");
  EXPECT_EQ(events.size(), 1024u + 1);
}

TEST_F(Sftp, PathsThatAreKeptHaveABound) {
  const std::string path(4096, 'p');
  const auto remove = [&path](std::uint32_t id) { return packet(13, numbered(id).string(path)); };
  for (std::uint32_t id = 0; id < 1000; ++id) {  // what is answered is not kept
    client(remove(id));
    target(status(id));
  }
  for (std::uint32_t id = 0; id < 1000; ++id) {  // nor is what is closed
    client(open(id, path, kGet));
    target(handle(id));
    client(close(id));
    target(status(id));
  }
  for (std::uint32_t id = 0; id < 128; ++id) {
    client(open(id, path, kGet));
    target(handle(id, std::to_string(id)));
  }
  for (std::uint32_t id = 0; id < 128; ++id) client(remove(id));
  EXPECT_TRUE(observer->observing());
  client(remove(128));
  stopped("client");
}

TEST_F(Sftp, UnknownHandlesAreTheTargetsToRefuse) {
  client(close(1, "?") + write(2, 0, "abc") + read(3, 0));
  target(status(1, 4) + status(2, 4) + status(3, 4));
  EXPECT_TRUE(events.empty());
  EXPECT_TRUE(observer->observing());
}

}  // namespace
}  // namespace envgate::ssh::session
