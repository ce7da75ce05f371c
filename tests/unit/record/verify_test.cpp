#include "record/verify.hpp"

#include <gmock/gmock.h>

#include "record/chain_line.hpp"
#include "tests/unit/record/fixtures.hpp"

namespace envgate::record::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Texts {
  std::string record, chain;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line;
  return out;
}

class VerifyTest : public testing::Test {
 protected:
  // Four blocks: a header and three of two lines of eight bytes.
  Texts make(const SigningKey* key) {
    const TempDir dir;
    auto file = ChainedFile::create(dir.path(""), "a.cast", key, {16, milliseconds(5000), Sync::end}).value();
    EXPECT_TRUE(file.append("header.\n", milliseconds(0)));
    for (int i = 0; i < 6; ++i)
      EXPECT_TRUE(file.append("line " + std::to_string(i) + ".\n", milliseconds(i)));
    EXPECT_TRUE(file.end(milliseconds(10)));
    return {read_file(dir.path("a.cast")), read_file(dir.path("a.cast.chain"))};
  }
  Verdict verdict(const Texts& texts) { return verify_text(texts.record, texts.chain, key_.public_key()); }

  SigningKey key_ = key_of(1);
  Texts whole_ = make(&key_);
};

TEST_F(VerifyTest, WholeAndBySomebody) {
  const Verdict known = verdict(whole_);
  EXPECT_TRUE(known.good());
  EXPECT_EQ(known.words(), "whole, 56 bytes in 4 blocks, signed by the key given");
  const Verdict unasked = verify_text(whole_.record, whole_.chain, std::nullopt);
  EXPECT_TRUE(unasked.good());
  EXPECT_EQ(unasked.signer, Signer::unasked);
  EXPECT_THAT(unasked.words(), HasSubstr(to_hex(key_.public_key()) + ", which was not compared"));
  const Verdict unknown = verify_text(whole_.record, whole_.chain, key_of(2).public_key());
  EXPECT_FALSE(unknown.good());
  EXPECT_EQ(unknown.state, State::whole);
  EXPECT_THAT(unknown.words(), HasSubstr("signed by an unknown key"));
  const Texts plain = make(nullptr);
  const Verdict none = verdict(plain);
  EXPECT_FALSE(none.good());
  EXPECT_EQ(none.words(), "whole, 56 bytes in 4 blocks, not signed");
}

TEST_F(VerifyTest, EveryByteThatIsFlippedIsFound) {
  Texts plain = make(nullptr);
  for (const Texts* const texts : {&whole_, &plain}) {
    for (const bool in_chain : {false, true}) {
      const std::string& from = in_chain ? texts->chain : texts->record;
      for (std::size_t at = 0; at < from.size(); ++at) {
        for (const int bit : {0, 1, 5, 7}) {
          Texts changed = *texts;
          char& byte = (in_chain ? changed.chain : changed.record)[at];
          byte = static_cast<char>(byte ^ 1 << bit);
          const Verdict seen = verdict(changed);
          EXPECT_FALSE(seen.good()) << in_chain << " " << at;
          // The end's time is linked to by no line after it: it has its signature alone.
          const bool time_of_end = in_chain && texts == &plain && at > from.rfind("\"at\":");
          if (!time_of_end) {
            EXPECT_EQ(seen.state, State::changed) << in_chain << " " << at << " " << seen.words();
          }
        }
      }
    }
  }
}

TEST_F(VerifyTest, TheBlockThatIsChangedIsNamed) {
  for (std::size_t at = 0; at < whole_.record.size(); ++at) {
    Texts changed = whole_;
    changed.record[at] = '#';
    EXPECT_EQ(verdict(changed).changed_at, at < 8 ? 1 : 2 + (at - 8) / 16) << at;
    EXPECT_EQ(verdict(changed).words(), "changed at block " + std::to_string(at < 8 ? 1 : 2 + (at - 8) / 16) +
                                            ": its bytes are not those that were written");
  }
}

TEST_F(VerifyTest, EveryByteThatIsTakenOutOrPutInIsFound) {
  for (const bool in_chain : {false, true}) {
    const std::size_t size = (in_chain ? whole_.chain : whole_.record).size();
    for (std::size_t at = 0; at <= size; ++at) {
      Texts more = whole_, less = whole_;
      (in_chain ? more.chain : more.record).insert(at, 1, 'x');
      EXPECT_EQ(verdict(more).state, State::changed) << in_chain << " " << at;
      if (at == size) continue;
      (in_chain ? less.chain : less.record).erase(at, 1);
      // All but the chain's last newline, without which the end is not whole.
      const State expected = in_chain && at + 1 == size ? State::cut_off : State::changed;
      EXPECT_EQ(verdict(less).state, expected) << in_chain << " " << at;
    }
  }
}

TEST_F(VerifyTest, ARecordCutAtAnyLength) {
  for (std::size_t size = 0; size < whole_.record.size(); ++size)
    EXPECT_EQ(verdict({whole_.record.substr(0, size), whole_.chain}).state, State::changed) << size;
  // As a crash leaves it: the chain is behind, never before.
  const std::vector<std::string> lines = lines_of(whole_.chain);
  for (std::size_t blocks = 0; blocks <= 4; ++blocks) {
    const std::string chain =
        joined({lines.begin(), lines.begin() + 1 + static_cast<std::ptrdiff_t>(blocks)});
    const std::size_t covered = blocks == 0 ? 0 : 8 + (blocks - 1) * 16;
    for (std::size_t size = 0; size <= whole_.record.size(); ++size) {
      const Verdict seen = verdict({whole_.record.substr(0, size), chain});
      EXPECT_EQ(seen.state, size < covered ? State::changed : State::cut_off) << blocks << " " << size;
      if (size < covered) continue;
      EXPECT_EQ(seen.blocks, blocks);
      EXPECT_EQ(seen.uncovered, size - covered);
      EXPECT_THAT(seen.words(), StartsWith("cut off: " + std::to_string(size - covered) +
                                           " bytes after the last block are not covered"));
    }
  }
}

TEST_F(VerifyTest, AChainCutAtAnyLengthIsCutOff) {
  const std::size_t first = lines_of(whole_.chain)[0].size();
  for (std::size_t size = 0; size < whole_.chain.size(); ++size) {
    const Verdict seen = verdict({whole_.record, whole_.chain.substr(0, size)});
    // The record is made behind the chain's first line: that one is never cut by a crash.
    EXPECT_EQ(seen.state, size < first ? State::changed : State::cut_off) << size << " " << seen.words();
  }
}

TEST_F(VerifyTest, LinesSwappedRemovedRepeatedAndSpliced) {
  const auto expect_changed = [&](const Texts& texts, const std::string& what) {
    const Verdict seen = verdict(texts);
    EXPECT_EQ(seen.state, State::changed) << what << ": " << seen.words();
  };
  for (const bool in_chain : {false, true}) {
    const std::vector<std::string> lines = lines_of(in_chain ? whole_.chain : whole_.record);
    const auto with = [&](const std::vector<std::string>& some) {
      return in_chain ? Texts{whole_.record, joined(some)} : Texts{joined(some), whole_.chain};
    };
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto at = static_cast<std::ptrdiff_t>(i);
      auto repeated = lines;
      repeated.insert(repeated.begin() + at, lines[i]);
      expect_changed(with(repeated), "repeated " + std::to_string(i));
      if (i + 1 == lines.size()) continue;
      auto swapped = lines, removed = lines;
      std::swap(swapped[i], swapped[i + 1]);
      expect_changed(with(swapped), "swapped " + std::to_string(i));
      removed.erase(removed.begin() + at);
      expect_changed(with(removed), "removed " + std::to_string(i));
    }
  }
  // A block with its bytes, from the middle.
  std::vector<std::string> lines = lines_of(whole_.record), chain = lines_of(whole_.chain);
  lines.erase(lines.begin() + 3, lines.begin() + 5);
  chain.erase(chain.begin() + 3);
  expect_changed({joined(lines), joined(chain)}, "a block removed");
  // Another record of the same key and the same bytes: no line of its chain fits here.
  const std::vector<std::string> other = lines_of(make(&key_).chain);
  chain = lines_of(whole_.chain);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    auto spliced = chain;
    spliced[i] = other[i];
    expect_changed({whole_.record, joined(spliced)}, "spliced " + std::to_string(i));
  }
}

// Whoever has no key can compute every hash anew: the signatures are what he cannot make.
TEST_F(VerifyTest, AChainThatIsComputedAnewIsNotSigned) {
  const SigningKey forger = key_of(2);
  std::vector<std::string> chain = lines_of(whole_.chain);
  ChainBlock last;
  ASSERT_EQ(read_line(chain[4].substr(0, chain[4].size() - 1), key_.public_key(), last), Read::good);
  Texts forged = whole_;
  forged.record[50] = '#';
  last.hash = digest_of(std::string_view(forged.record).substr(40, 16));
  chain[4] = line_of(last, &forger);
  chain.pop_back();
  forged.chain = joined(chain);
  const Verdict seen = verdict(forged);
  EXPECT_EQ(seen.state, State::changed);
  EXPECT_EQ(seen.changed_at, 4u);
  EXPECT_THAT(seen.words(), HasSubstr("not what was signed"));
}

TEST_F(VerifyTest, OfFiles) {
  const TempDir dir;
  const std::string path = dir.write("a.cast", whole_.record);
  const auto lone = verify_file(path, key_.public_key());
  ASSERT_TRUE(lone);
  EXPECT_EQ(lone->state, State::changed) << "a crash does not leave a record without its chain";
  EXPECT_THAT(lone->words(), HasSubstr("a.cast.chain"));
  dir.write("a.cast.chain", whole_.chain);
  EXPECT_TRUE(verify_file(path, key_.public_key())->good());
  const auto none = verify_file(dir.path("b.cast"), std::nullopt);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ENOENT);
  EXPECT_FALSE(verify_file(dir.path(""), std::nullopt)) << "a folder";
}

}  // namespace
}  // namespace envgate::record::test
