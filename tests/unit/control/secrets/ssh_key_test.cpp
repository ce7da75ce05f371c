// Keys and certificates against OpenSSH's own ssh-keygen, which must read what we write.
#include "control/secrets/ssh_key.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstdio>

#include "control/secrets/certificate.hpp"
#include "control/secrets/ssh_wire.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::control::secrets {
namespace {

// Files for it, and what it says.
class SshKeygen {
 public:
  std::string file(const std::string& name, const std::string& text) const {
    const std::string path = folder_.write(name, text);
    ::chmod(path.c_str(), 0600);
    return path;
  }
  static std::string says(const std::string& line) {
    FILE* const pipe = ::popen((line + " 2>&1").c_str(), "r");
    std::string said;
    std::array<char, 4096> piece;
    for (std::size_t got; (got = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
      said.append(piece.data(), got);
    return ::pclose(pipe) == 0 ? said : "failed: " + said;
  }

 private:
  test::TempDir folder_;
};

TEST(SshKey, OpenSshReadsThePrivateKey) {
  const SshKeygen keygen;
  const SshKey key = SshKey::make();
  const std::string path = keygen.file("id", key.private_pem("envgate").reveal());
  EXPECT_EQ(SshKeygen::says("ssh-keygen -y -P '' -f " + path), key.public_line("envgate") + "\n");
}

TEST(SshKey, ComesBackFromItsSeed) {
  const SshKey key = SshKey::make();
  const auto again = SshKey::of_seed(key.seed());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->public_line(""), key.public_line(""));
  EXPECT_EQ(again->sign("x"), key.sign("x"));
  EXPECT_NE(SshKey::make().public_line(""), key.public_line(""));
  EXPECT_FALSE(SshKey::of_seed(backends::Secret("short")));
}

TEST(SshKey, AFingerprintIsTheOneOfOpenSsh) {
  const SshKeygen keygen;
  const std::string line = SshKey::make().public_line("me@home");
  const std::string said = SshKeygen::says("ssh-keygen -l -f " + keygen.file("id.pub", line + "\n"));
  const auto fingerprint = fingerprint_of(line);
  ASSERT_TRUE(fingerprint);
  EXPECT_NE(said.find(" " + *fingerprint + " "), std::string::npos) << said;
}

TEST(SshKey, OnlyAWholeLineIsAKey) {
  const std::string line = SshKey::make().public_line("");
  ASSERT_TRUE(ed25519_blob(line));
  EXPECT_TRUE(ed25519_blob(line + " some comment"));
  const std::string blob = *ed25519_blob(line);
  const std::string longer = "ssh-ed25519 " + base64(blob + "x");
  const std::string shorter = "ssh-ed25519 " + base64(blob.substr(0, blob.size() - 1));
  for (const std::string& bad :
       {std::string(), std::string("ssh-ed25519"), std::string("ssh-ed25519 "), std::string("ssh-ed25519 !!"),
        longer, shorter, line + "\nssh-ed25519 AAAA", "from=\"*\" " + line, "ssh-rsa " + base64(blob),
        "ssh-ed25519 " + base64(std::string("\xff\xff\xff\xff", 4))})
    EXPECT_FALSE(ed25519_blob(bad)) << bad;
}

CertificateRequest asked_for(const SshKey& key) {
  using std::chrono::sys_seconds, std::chrono::seconds;
  return {key.public_blob(),
          77,
          "session 0123 of ada",
          {"6hiflzwte2xnkroq"},
          sys_seconds(seconds(1'900'000'000)),
          sys_seconds(seconds(1'900'000'300)),
          "uptime",
          {"permit-pty", "permit-agent-forwarding"}};
}

TEST(Certificate, OpenSshReadsIt) {
  const SshKeygen keygen;
  const SshKey authority = SshKey::make(), key = SshKey::make();
  const std::string path = keygen.file("id-cert.pub", make_certificate(authority, asked_for(key)) + "\n");
  const std::string said = SshKeygen::says("TZ=UTC ssh-keygen -L -f " + path);
  for (const std::string& part :
       {std::string("ssh-ed25519-cert-v01@openssh.com user certificate"),
        *fingerprint_of(key.public_line("")),
        "Signing CA: ED25519 " + *fingerprint_of(authority.public_line("")) + " (using ssh-ed25519)",
        std::string("Key ID: \"session 0123 of ada\""), std::string("Serial: 77"),
        std::string("Valid: from 2030-03-17T17:46:40 to 2030-03-17T17:51:40"),
        std::string("Principals: \n                6hiflzwte2xnkroq\n"), std::string("force-command uptime"),
        std::string("permit-agent-forwarding\n                permit-pty")})
    EXPECT_NE(said.find(part), std::string::npos) << part << "\n" << said;
}

// ssh-keygen checks the signature when it reads one: a byte of it, or of what is signed, must not differ.
TEST(Certificate, AChangedOneIsNone) {
  const SshKeygen keygen;
  const std::string good = make_certificate(SshKey::make(), asked_for(SshKey::make()));
  const std::size_t space = good.find(' ');
  const std::string bytes = *unbase64(good.substr(space + 1));
  for (const std::size_t at : {bytes.size() - 1, std::size_t{100}}) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const std::string path = keygen.file("bad-cert.pub", good.substr(0, space + 1) + base64(changed) + "\n");
    EXPECT_TRUE(SshKeygen::says("ssh-keygen -L -f " + path).starts_with("failed")) << at;
  }
}

}  // namespace
}  // namespace envgate::control::secrets
