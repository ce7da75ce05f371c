// Writes nested JSON straight into a string: what the admin API answers with. Commas and quoting are its
// business, matching begin and end the caller's. For one flat line of a log there is base/json_line; this is
// for documents. Thread: any, one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace envgate::admin {

class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& number(std::uint64_t value);
  JsonWriter& real(double value);  // null where it is no finite number, which JSON cannot say
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // Requires: one JSON value

  // A member of the object that is open.
  JsonWriter& text(std::string_view name, std::string_view value) { return key(name).text(value); }
  JsonWriter& number(std::string_view name, std::uint64_t value) { return key(name).number(value); }
  JsonWriter& real(std::string_view name, double value) { return key(name).real(value); }
  JsonWriter& boolean(std::string_view name, bool value) { return key(name).boolean(value); }

  // The document, with a newline at its end.
  std::string finish() &&;

 private:
  void separate();
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  std::string out_;
};

}  // namespace envgate::admin
