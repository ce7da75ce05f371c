// SSH, and any TCP service, by listening port: find the environment whose port it is, connect to its target,
// move the bytes. Nothing is decrypted; the target's own sshd authenticates. Thread: the worker's.
#pragma once

#include "gateway/loop/task.hpp"
#include "gateway/net/listener.hpp"
#include "gateway/net/tls_stream.hpp"
#include "gateway/worker.hpp"

namespace envgate::ssh {

// A connection accepted on the listening port `port` of some route.
loop::Task<void> serve_port(gateway::Worker& worker, net::Accepted accepted, std::uint16_t port);

// A TLS connection whose server name was <env>.ssh.<domain>: the same target, behind TLS.
loop::Task<void> serve_tls(gateway::Worker& worker, net::TlsStream& client, Endpoint peer,
                           routing::EnvId env);

}  // namespace envgate::ssh
