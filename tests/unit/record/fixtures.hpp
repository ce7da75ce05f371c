// A key of the tests' own, a small record made with it, and verifying of texts.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "record/chained_file.hpp"
#include "record/session_facts.hpp"
#include "record/verify.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::record::test {

using envgate::test::read_file;
using envgate::test::TempDir;
using std::chrono::milliseconds;

inline SigningKey key_of(unsigned char fill) {
  std::array<unsigned char, 32> seed;
  seed.fill(fill);
  return SigningKey::from_seed(seed);
}

inline SessionFacts some_facts() {
  SessionFacts facts;
  facts.session = "s1";
  facts.environment = "training";
  facts.user = "root";
  facts.source = "192.0.2.7";
  facts.owner = "ada";
  facts.target = "10.0.0.4:22";
  facts.started_at = std::chrono::system_clock::time_point(milliseconds(1'764'000'000'042));
  return facts;
}

inline Verdict verify_text(const std::string& record, const std::string& chain,
                           const std::optional<PublicKey>& key) {
  const auto read = [&](std::uint64_t at, char* to, std::size_t size) -> Result<std::size_t> {
    const std::size_t begin = std::min<std::size_t>(at, record.size());
    const std::size_t count = std::min(size, record.size() - begin);
    std::memcpy(to, record.data() + begin, count);
    return count;
  };
  return verify(read, record.size(), chain, key).value();
}

inline std::string chain_of(const std::string& path) { return path + std::string(kChainSuffix); }

}  // namespace envgate::record::test
