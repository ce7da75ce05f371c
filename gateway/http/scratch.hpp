// Memory that one request after the other uses: a field list and a text that keep what they have grown to,
// lent from a per-thread list, so that a request in steady state allocates nothing and an idle connection
// holds nothing. Thread: given back on the thread that took it.
#pragma once

#include <memory>
#include <string>

#include "gateway/http/fields.hpp"

namespace envgate::http {

struct Scratch {
  FieldList fields;
  std::string text;
};

struct GiveBackScratch {
  void operator()(Scratch* scratch) const noexcept;
};
using ScratchPtr = std::unique_ptr<Scratch, GiveBackScratch>;

ScratchPtr take_scratch();  // both are empty

}  // namespace envgate::http
