// The memory of one stream's head, lent from a per-thread list: a request in steady state allocates nothing
// for it. Thread: given back on the thread that took it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/fields.hpp"
#include "gateway/http/message_h2.hpp"

namespace envgate::http {

// A block of fields as one text, growing field by field; and the views of it once it is whole.
class H2Block {
 public:
  // False: it would be longer than `most_bytes` or have more than `most_fields`; the block is not changed.
  bool add(std::string_view name, std::string_view value, std::size_t most_bytes, std::size_t most_fields);

  std::size_t count() const { return sizes_.size(); }

  // Views in the order of arrival, valid until the block changes; the span until the next call on this
  // thread.
  std::span<const NameValue> fields() const;

  void clear();

  FieldList list;   // for what is made of the block; its memory is kept
  std::string out;  // the answer's small pieces, on their way

 private:
  struct Size {
    std::uint32_t name, value;
  };
  std::string text_;
  std::vector<Size> sizes_;
};

struct GiveBack {
  void operator()(H2Block* block) const noexcept;
};
using H2BlockPtr = std::unique_ptr<H2Block, GiveBack>;

H2BlockPtr take_block();

}  // namespace envgate::http
