// The API's server: HTTP/1.1 on the control socket, whose peers the kernel vouches for; over TLS, where
// tokens do; and without either for what monitoring reads. One thread does all I/O (Asio, Beast); workers run
// the handlers, which block for the database. Everything a caller sends is bounded in size and time; whoever
// reads too slowly is disconnected. Thread: main's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "control/api/message.hpp"

namespace envgate::control::api {

class Server {
 public:
  struct Options {
    unsigned workers = 4;                // for reads, and as many for changes
    std::size_t connections = 512;       // at once, at each door
    std::size_t connections_each = 128;  // of one account that is no admin, or one address
  };
  using Handler = std::function<Response(Request&)>;   // on a worker
  using Authenticate = std::function<Caller(int fd)>;  // a connected Unix peer; on the I/O thread
  // A request at another door whose head alone was read (path, bearer, peer), so that a stranger's body is
  // not: puts the caller in, or refuses. On a worker.
  using Admit = std::function<std::optional<Response>(Request& head)>;

  Server(Options options, Handler handler);
  ~Server();

  // Requires: before start(); a Unix socket for Door::control, and a certificate for Door::tls.
  void listen(Door door, Fd socket);
  void authenticate_by(Authenticate authenticate, Admit admit);  // Requires: before start()
  // PEM files: the chain, leaf first. For new connections from now on. Errors: with the file's name; what was
  // used before stays in use. Thread: any.
  Result<void> use_certificate(const std::string& certificate, const std::string& key);
  void start();
  void stop();  // open requests are cut
  // Something changed in the database: streams and waiting requests look again. Thread: any.
  void poke();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace envgate::control::api
