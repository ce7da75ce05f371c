// A C library's object in a std::unique_ptr: std::unique_ptr<BIO, Freed<BIO_free>>. Thread: any.
#pragma once

namespace envgate {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

}  // namespace envgate
