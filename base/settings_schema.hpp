// A program's declaration of its settings: each key's name, type, place in the program's own struct, whether
// a change takes effect while running, and one line of description. The struct's member initialisers are the
// defaults, so that no default is written twice:
//
//   Schema<MySettings> schema({"MYPROGRAM_"});
//   schema.root().key("workers", &MySettings::workers, integer(0u, 64u), Apply::restart, "Threads.");
//   schema.root().section("ssh", &MySettings::ssh).key("bind", &MySettings::Ssh::bind, ...);
//   schema.check([](const MySettings& s, const Complain& complain) { ... });   // rules between keys
//
// Built once, then immutable. Thread: any after that.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/settings_types.hpp"

namespace envgate::settings {

enum class Apply : std::uint8_t { live, restart };

// One key with its type erased, so that the engine is ordinary code. The pointers are to the whole struct.
struct Key {
  std::string name;  // "routes.redis.url"
  std::string description;
  std::string expects;
  Apply apply = Apply::restart;
  Shape shape = Shape::scalar;
  bool secret = false;
  std::function<bool(const Node&, void* settings, const Report&)> read;  // false: reported, nothing written
  std::function<std::string(const void* settings)> show;
  std::function<bool(const void* a, const void* b)> equal;
  std::function<void(const void* from, void* to)> copy;
};

struct Naming {
  std::string variable_prefix;  // "ENVGATE_"
  std::vector<std::string>
      other_variables;  // with that prefix but not settings; "NAME*" covers all that begin so
  // Top-level names in a file that are another program's, which shares it; "*": all that we do not know.
  std::vector<std::string> other_sections = {};
};

class KeyTable {
 public:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  explicit KeyTable(Naming naming) : naming_(std::move(naming)) {}
  void add(Key key);  // CHECKs that its name and its variable are new

  const std::vector<Key>& keys() const { return keys_; }
  std::size_t find(std::string_view name) const;
  bool is_section(std::string_view name) const;
  bool is_other_program(std::string_view name) const;
  // "; did you mean 'ssh.bind'?", or empty where nothing is near.
  std::string suggest(std::string_view unknown) const;

  // ENVGATE_ROUTES_MAX_STALE for routes.max_stale. '.' and '_' look alike there, which is why a variable is
  // looked up among the known keys rather than taken apart.
  std::string variable_of(const Key& key) const;
  std::size_t find_variable(std::string_view variable) const;
  std::string suggest_variable(std::string_view unknown) const;
  // Whether it has our prefix, and is neither declared as something else nor put there by Kubernetes, which
  // gives a pod ENVGATE_PORT=tcp://... and the like for a service that is named envgate.
  bool claims_variable(std::string_view variable, std::string_view value) const;

 private:
  Naming naming_;
  std::vector<Key> keys_;
};

// A rule between keys says what is wrong: the keys concerned, the one to change first, and a message. It is
// dropped where one of them could not be read, since then nothing is known about it.
using Complain = std::function<void(std::initializer_list<std::string_view> keys, std::string message)>;

template <typename S, typename Part>
class Section {
 public:
  using At = std::function<Part&(S&)>;
  Section(KeyTable& table, std::string prefix, At at)
      : table_(table), prefix_(std::move(prefix)), at_(std::move(at)) {}

  template <typename T>
  Section& key(const std::string& name, T Part::*member, Type<T> type, Apply apply, std::string description) {
    const auto get = [at = at_, member](void* settings) -> T& {
      return at(*static_cast<S*>(settings)).*member;
    };
    const auto look = [get](const void* settings) -> const T& {
      return get(const_cast<void*>(settings));  // one accessor for both; nothing is written through it here
    };
    Key made{
        prefix_ + name, std::move(description), type.expects, apply, type.shape, type.secret, {}, {}, {}, {}};
    made.read = [get, read = type.read](const Node& node, void* settings, const Report& report) {
      auto value = read(node, report);
      if (value) get(settings) = std::move(*value);
      return value.has_value();
    };
    made.show = [look, show = type.show](const void* settings) { return show(look(settings)); };
    made.equal = [look](const void* a, const void* b) { return look(a) == look(b); };
    made.copy = [look, get](const void* from, void* to) { get(to) = look(from); };
    table_.add(std::move(made));
    return *this;
  }

  template <typename Inner>
  Section<S, Inner> section(const std::string& name, Inner Part::*member) {
    return {table_, prefix_ + name + ".", [at = at_, member](S& s) -> Inner& { return at(s).*member; }};
  }

 private:
  KeyTable& table_;
  std::string prefix_;
  At at_;
};

template <typename S>
class Schema {
 public:
  using Check = std::function<void(const S&, const Complain&)>;
  explicit Schema(Naming naming) : table_(std::move(naming)) {}

  Section<S, S> root() {
    return {table_, "", [](S& s) -> S& { return s; }};
  }
  void check(Check rule) { rules_.push_back(std::move(rule)); }

  const KeyTable& table() const { return table_; }
  void run_checks(const S& settings, const Complain& complain) const {
    for (const Check& rule : rules_) rule(settings, complain);
  }

 private:
  KeyTable table_;
  std::vector<Check> rules_;
};

}  // namespace envgate::settings
