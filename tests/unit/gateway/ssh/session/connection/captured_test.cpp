// What OpenSSH's own sftp, sftp-server and scp said to each other once, kept among the fuzz target's seeds
// (tests/fuzz/ssh_sftp.cpp has the form): what the record is told of that.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "watched.hpp"

namespace envgate::ssh::session {
namespace {

using Lines = std::vector<std::string>;

class Captured : public test::Watched {
 protected:
  // Each event in a line: operation, path, second path, bytes, the hash's first digits, result.
  Lines lines_of(const std::string& name) {
    std::ifstream file(ENVGATE_SOURCE_DIR "/tests/fuzz/corpus/ssh_sftp/" + name, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    EXPECT_FALSE(bytes.empty()) << name;
    if (bytes.empty()) return {};
    observer = bytes[0] == 0   ? observer_of_subsystem("sftp", 4, sink)
               : bytes[0] == 1 ? observer_of_command("scp -t rem", 4, sink)
                               : observer_of_command("scp -f rem", 4, sink);
    for (std::string_view rest = std::string_view(bytes).substr(1); rest.size() >= 3;) {
      const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(rest[1])) << 8 |
                               static_cast<unsigned char>(rest[2]);
      observer->data(rest[0] == 1 ? Side::client : Side::target, rest.substr(3, size));
      rest.remove_prefix(3 + size);
    }
    EXPECT_TRUE(observer->observing());
    observer->end();
    Lines lines;
    for (const auto& event : events) {
      std::ostringstream line;
      line << event.operation << ' ' << event.path << ' ' << event.to_path << ' ' << event.bytes << ' '
           << event.sha256.substr(0, 8) << ' ' << event.result;
      lines.push_back(line.str());
    }
    return lines;
  }
};

TEST_F(Captured, Sftp) {
  EXPECT_EQ(lines_of("sftp"), (Lines{
                                  "mkdir /tmp/conn_x/rem/dd  0  ok",
                                  "write /tmp/conn_x/rem/big  1500 54fa9f90 ok",
                                  "setstat /tmp/conn_x/rem/small  0  ok",
                                  "write /tmp/conn_x/rem/small  6 5891b5b5 ok",
                                  "read /tmp/conn_x/rem/big  1500 54fa9f90 ok",
                                  "rename /tmp/conn_x/rem/small /tmp/conn_x/rem/small2 0  ok",
                                  "hardlink /tmp/conn_x/rem/small2 /tmp/conn_x/rem/hard 0  ok",
                                  "symlink small2 /tmp/conn_x/rem/soft 0  ok",
                                  "setstat /tmp/conn_x/rem/small2  0  ok",
                                  "copy /tmp/conn_x/rem/small2 /tmp/conn_x/rem/copy 0  ok",
                                  "read /tmp/conn_x/rem/small2  0  ok",
                                  "write /tmp/conn_x/rem/copy  0  ok",
                                  "remove /tmp/conn_x/rem/soft  0  ok",
                                  "rmdir /tmp/conn_x/rem/dd  0  ok",
                              }));
}

TEST_F(Captured, ScpUpload) {
  EXPECT_EQ(lines_of("scp_up"), (Lines{"write big  1500 54fa9f90 ok", "write small  6 5891b5b5 ok"}));
}

TEST_F(Captured, ScpUploadOfATree) {
  EXPECT_EQ(lines_of("scp_up_tree"), Lines{"write d/e/x  6 5891b5b5 ok"});
}

TEST_F(Captured, ScpUploadThatWasRefused) {
  EXPECT_EQ(lines_of("scp_refused"), Lines{"write small  0  scp: /proc/nope: No such file or directory"});
}

TEST_F(Captured, ScpDownload) {
  EXPECT_EQ(lines_of("scp_down"),
            (Lines{"read big  1500 54fa9f90 ok", "read   0  scp: rem/nope: No such file or directory",
                   "read small2  6 5891b5b5 ok"}));
}

TEST_F(Captured, ScpDownloadOfATree) {
  EXPECT_EQ(lines_of("scp_down_tree"), Lines{"read d/e/x  6 5891b5b5 ok"});
}

}  // namespace
}  // namespace envgate::ssh::session
