// `envctl config explain`: a setting of the gateway, or with --control of the control plane. Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

Command config_explain_command();

}  // namespace envgate::cli
