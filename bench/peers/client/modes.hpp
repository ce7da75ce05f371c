// The modes of the load client. Each runs to its end, checks every answer, prints one line of JSON, and
// throws Failure where anything was not as it must be. The keys that a mode reads are told above its
// function.
#pragma once

#include "arguments.hpp"

namespace envgate::bench {

void connects(const Arguments& arguments);   // a TLS connection for every request
void requests(const Arguments& arguments);   // closed loop, every second request for an unknown environment
void latency(const Arguments& arguments);    // a fixed rate, HTTP/1.1 or HTTP/2
void websocket(const Arguments& arguments);  // closed-loop echo
void idle(const Arguments& arguments);     // opens connections, says so, and holds them until its input ends
void banners(const Arguments& arguments);  // connections that exchange SSH banners and end
void bulk(const Arguments& arguments);     // one connection behind SSH banners, many bytes
void serve(const Arguments& arguments);    // the servers behind the proxies, until it is ended

}  // namespace envgate::bench
