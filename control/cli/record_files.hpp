// The files of a record that the gateway has, taken from it whole: held against their chains here, or written
// into a folder. Thread: main's.
#pragma once

#include "control/cli/records_client.hpp"

namespace envgate::cli {

// Reads file and chain; what the gateway itself says of them is not asked. Errors: one cannot be read.
Asked<record::Verdict> verify_remote(const RecordsClient& client, const std::string& id,
                                     const std::string& name, const std::optional<record::PublicKey>& key);

// Every file and its chain, into `folder`, which must be there; none that exists is written over.
Asked<void> save_files(const RecordsClient& client, const std::string& id, const std::string& folder);

}  // namespace envgate::cli
