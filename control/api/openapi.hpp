// The OpenAPI 3.1 document of what the table of operations has. Thread: any.
#pragma once

#include <string>

namespace envgate::control::api {
const std::string& openapi_document();
}
