#include "gateway/password_pool.hpp"

#include <crypt.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

namespace envgate::gateway {
namespace {

constexpr std::string_view kItoa64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr unsigned kSha512RoundsMax = 1'000'000;  // half a second
constexpr char kYescryptMemoryMax = 'C';          // with r=32 that is 128 MiB, the 8 of crypt_gensalt(3)
constexpr int kBcryptCostMax = 14;

bool is_itoa64(std::string_view text, std::size_t least, std::size_t most) {
  return text.size() >= least && text.size() <= most &&
         text.find_first_not_of(kItoa64) == std::string_view::npos;
}

// Takes what stands before the next '$' off `rest`; nothing where there is none.
bool take_field(std::string_view& rest, std::string_view& out) {
  const std::size_t end = rest.find('$');
  if (end == rest.npos) return false;
  out = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

int number_of(std::string_view digits) {
  if (digits.empty() || digits.size() > 9) return -1;
  int out = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return -1;
    out = out * 10 + (c - '0');
  }
  return out;
}

// [rounds=N$]salt$hash
bool is_sha512crypt(std::string_view rest) {
  constexpr std::string_view kRounds = "rounds=";
  std::string_view field;
  if (!take_field(rest, field)) return false;
  if (field.starts_with(kRounds)) {
    const int rounds = number_of(field.substr(kRounds.size()));
    if (rounds < 1000 || rounds > static_cast<int>(kSha512RoundsMax) || !take_field(rest, field))
      return false;
  }
  return is_itoa64(field, 1, 16) && is_itoa64(rest, 86, 86);
}

// "j", the block count and the block size, one character each as crypt_gensalt(3) makes them: $salt$hash.
bool is_yescrypt(std::string_view rest) {
  std::string_view cost, salt;
  if (!take_field(rest, cost) || !take_field(rest, salt)) return false;
  return is_itoa64(cost, 3, 3) && cost[0] == 'j' &&
         kItoa64.find(cost[1]) <= kItoa64.find(kYescryptMemoryMax) &&
         kItoa64.find(cost[2]) <= kItoa64.find('T') && is_itoa64(salt, 1, 86) && is_itoa64(rest, 43, 43);
}

// NN$ and 53 characters of salt and hash
bool is_bcrypt(std::string_view rest) {
  std::string_view cost;
  if (!take_field(rest, cost) || cost.size() != 2) return false;
  const int log2 = number_of(cost);
  return log2 >= 4 && log2 <= kBcryptCostMax && is_itoa64(rest, 53, 53);
}

// libxcrypt's work area, 32 KiB, which it leaves with what it computed.
struct WipedData {
  void operator()(crypt_data* data) const {
    OPENSSL_cleanse(data, sizeof *data);
    delete data;
  }
};
using CryptData = std::unique_ptr<crypt_data, WipedData>;

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

bool is_usable_verifier(std::string_view verifier) {
  if (verifier.starts_with("$y$")) return is_yescrypt(verifier.substr(3));
  if (verifier.starts_with("$6$")) return is_sha512crypt(verifier.substr(3));
  if (verifier.starts_with("$2a$") || verifier.starts_with("$2b$") || verifier.starts_with("$2y$"))
    return is_bcrypt(verifier.substr(4));
  return false;
}

bool verify_password(const Secret& password, const std::string& verifier) {
  if (!is_usable_verifier(verifier) || password.view().size() > kPasswordMax ||
      password.view().find('\0') != std::string_view::npos)
    return false;
  const CryptData data(new crypt_data());
  const char* const hash = crypt_r(password.c_str(), verifier.c_str(), data.get());
  // What libxcrypt returns of a failure begins with '*', and so is equal to no usable verifier.
  return hash != nullptr && equal(hash, verifier);
}

Result<std::string> make_dummy_verifier() {
  constexpr std::size_t kSalt = 16;
  char random[kSalt + 32], setting[CRYPT_GENSALT_OUTPUT_SIZE];
  const auto bytes = reinterpret_cast<unsigned char*>(random);
  if (RAND_bytes(bytes, sizeof random) != 1)
    return fail("no random numbers for the verifier of unknown users: OpenSSL's generator has failed");
  if (crypt_gensalt_rn("$y$", 0, random, kSalt, setting, sizeof setting) == nullptr)
    return fail("no verifier for unknown users: libcrypt has no yescrypt");
  // Of 32 random characters that are forgotten here.
  std::string password;
  for (const char c : std::string_view(random, sizeof random).substr(kSalt))
    password += kItoa64[static_cast<unsigned char>(c) % 64];
  const CryptData data(new crypt_data());
  const char* const hash = crypt_r(password.c_str(), setting, data.get());
  OPENSSL_cleanse(password.data(), password.size());
  OPENSSL_cleanse(random, sizeof random);
  if (hash == nullptr || !is_usable_verifier(hash))
    return fail("no verifier for unknown users: libcrypt's yescrypt has failed");
  return std::string(hash);
}

PasswordPool::PasswordPool(unsigned threads, std::size_t queue) : queue_max_(queue) {
  for (unsigned i = 0; i < std::clamp(threads, 1u, kThreadsMax); ++i)
    threads_.emplace_back([this] { run(); });
}

PasswordPool::~PasswordPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool PasswordPool::submit(Secret password, std::string verifier, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= queue_max_) {
      ++counts_.busy;
      return false;
    }
    queue_.push_back({std::move(password), std::move(verifier), std::move(done)});
  }
  wake_.notify_one();
  return true;
}

void PasswordPool::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const bool right = verify_password(job.password, job.verifier);
    job.password.wipe();
    lock.lock();
    ++(right ? counts_.right : counts_.wrong);
    lock.unlock();
    job.done(right);
  }
}

std::size_t PasswordPool::queued() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

PasswordPool::Counts PasswordPool::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace envgate::gateway
