// The Date field's value, written anew once a second.
// Thread: any; the text belongs to the calling thread and is valid until its next call. Source: RFC 9110
// section 5.6.7.
#pragma once

#include <string_view>

namespace envgate::http {

std::string_view http_date();

}  // namespace envgate::http
