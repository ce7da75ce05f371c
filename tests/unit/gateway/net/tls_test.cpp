#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <optional>

#include "gateway/loop/scope.hpp"
#include "gateway/net/tls_context.hpp"
#include "gateway/net/tls_stream.hpp"
#include "tests/unit/gateway/loop/run_until.hpp"
#include "tests/unit/gateway/net/certificate.hpp"
#include "tests/unit/gateway/net/tcp_pair.hpp"

namespace envgate::net {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

// ---- Certificates, TicketKeys ----

TEST(Certificates, AnExactNameThenAWildcardThenTheFirst) {
  const test::TempDir directory;
  const auto loaded =
      Certificates::load({make_certificate(directory, "first", "DNS:first.example"),
                          make_certificate(directory, "wild", "DNS:*.c.example,DNS:c.example"),
                          make_certificate(directory, "exact", "DNS:a.c.example")});
  ASSERT_TRUE(loaded) << loaded.error().message;
  const Certificates& certificates = **loaded;
  EXPECT_EQ(certificates.find("a.c.example"), 2u);
  EXPECT_EQ(certificates.find("A.C.Example"), 2u);
  EXPECT_EQ(certificates.find("b.c.example"), 1u);
  EXPECT_EQ(certificates.find("c.example"), 1u);
  EXPECT_EQ(certificates.find("x.b.c.example"), 0u);  // RFC 6125 section 6.4.3: one label
  EXPECT_EQ(certificates.find(""), 0u);
  EXPECT_GT(certificates.entries()[0].expires, std::chrono::system_clock::now());
}

TEST(Certificates, EveryFaultAtOnceWithItsFile) {
  const test::TempDir directory;
  const CertificateFiles good = make_certificate(directory, "good", "DNS:a.example");
  const CertificateFiles other = make_certificate(directory, "other", "DNS:b.example");
  const std::string text = directory.write("text.pem", "no certificate");
  const auto loaded = Certificates::load({{good.certificate, other.key},
                                          {directory.path("none.pem"), good.key},
                                          {text, good.key},
                                          {good.certificate, text},
                                          make_certificate(directory, "unnamed", "")});
  ASSERT_FALSE(loaded);
  const std::string& message = loaded.error().message;
  EXPECT_THAT(message, HasSubstr("other.key is not the key of "));
  EXPECT_THAT(message, HasSubstr("cannot read " + directory.path("none.pem")));
  EXPECT_THAT(message, HasSubstr("text.pem: no PEM certificate"));
  EXPECT_THAT(message, HasSubstr("text.pem: no PEM private key"));
  EXPECT_THAT(message, HasSubstr("unnamed.pem: it has no DNS subjectAltName"));
}

TEST(TicketKeys, TheNewestSealsAndTheTwoBeforeItStillOpen) {
  TicketKeys keys;
  const TicketKeys::Key first = keys.newest();
  TicketKeys::Key found;
  bool stale = true;
  EXPECT_TRUE(keys.find(first.name.data(), found, stale));
  EXPECT_FALSE(stale);
  for (int i = 0; i < 2; ++i) {
    keys.rotate();
    EXPECT_TRUE(keys.find(first.name.data(), found, stale));
    EXPECT_TRUE(stale);
    EXPECT_NE(keys.newest().name, first.name);
  }
  keys.rotate();
  EXPECT_FALSE(keys.find(first.name.data(), found, stale));
}

// ---- TlsStream ----

// A client whose bytes go through the test's hands.
class Client {
 public:
  Client(const std::string& name, SSL_SESSION* session = nullptr)
      : context_(SSL_CTX_new(TLS_client_method())) {
    ssl_ = SSL_new(context_);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
    SSL_set_tlsext_host_name(ssl_, name.c_str());
    static constexpr unsigned char kOffered[] = "\x08http/1.1\x02h2";
    SSL_set_alpn_protos(ssl_, kOffered, sizeof(kOffered) - 1);
    if (session) SSL_set_session(ssl_, session);
  }
  ~Client() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  SSL* ssl() { return ssl_; }
  // What it has for the server.
  std::string take_output() {
    std::string bytes(static_cast<std::size_t>(BIO_pending(out_)), '\0');
    BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  // Moves what there is both ways, and goes on with the handshake or reads.
  void pump(TcpPair& wire) {
    wire.receive();
    BIO_write(in_, wire.received.data(), static_cast<int>(wire.received.size()));
    wire.received.clear();
    if (!SSL_is_init_finished(ssl_)) SSL_do_handshake(ssl_);
    char piece[4096];
    for (int n; SSL_is_init_finished(ssl_) && (n = SSL_read(ssl_, piece, sizeof(piece))) > 0;)
      read.append(piece, static_cast<std::size_t>(n));
    const std::string out = take_output();
    EXPECT_EQ(wire.send(out), out.size());
  }
  bool connected() const { return SSL_is_init_finished(ssl_); }
  std::string read;

 private:
  SSL_CTX* context_;
  SSL* ssl_;
  BIO *in_, *out_;
};

class Tls : public testing::Test {
 protected:
  Tls() {
    const auto loaded = Certificates::load({make_certificate(directory_, "a", "DNS:a.example"),
                                            make_certificate(directory_, "b", "DNS:*.b.example")});
    tickets = std::make_shared<TicketKeys>();
    server_.emplace(library_, *loaded, tickets, TlsOptions{});
  }

  // One connection, served: what comes is gathered in `received`.
  struct Connection {
    TcpPair wire;
    Socket socket;
    TlsStream stream;
    std::optional<Result<void>> handshake;
    std::string received;
    std::optional<IoResult> end;
    loop::Scope scope;
  };
  loop::Task<void> serve(Connection& c) {
    c.handshake = co_await c.stream.handshake(reactor.after(seconds(5)));
    while (c.handshake->has_value()) {
      Buffer buffer;
      const IoResult got = co_await read_some(c.stream, buffer.space(), loop::kNever);
      if (!got.ok()) {
        c.end = got;
        co_return;
      }
      c.received.append(buffer.space().data(), got.bytes);
      reads.push_back(got.bytes);
    }
  }
  void start(Connection& c) {
    ASSERT_TRUE(c.socket.open(reactor, std::move(c.wire.ours)));
    c.stream.open(c.socket, server_->accept());
    c.scope.start(serve(c));
  }
  void connect(Connection& c, Client& client) {
    start(c);
    loop::run_until(reactor, [&] {
      client.pump(c.wire);
      return client.connected() && c.handshake;
    });
    ASSERT_TRUE(*c.handshake) << c.handshake->error().message;
  }
  // A session to resume, as a client would keep it.
  SSL_SESSION* session_from(Client& client, Connection& c) {
    loop::run_until(reactor, [&] {
      client.pump(c.wire);
      return SSL_SESSION_is_resumable(SSL_get0_session(client.ssl())) == 1;
    });
    return SSL_get1_session(client.ssl());
  }

  loop::Reactor reactor;
  std::shared_ptr<TicketKeys> tickets;
  std::vector<std::size_t> reads;

 private:
  test::TempDir directory_;
  TlsLibrary library_;
  std::optional<TlsServer> server_;
};

TEST_F(Tls, CertificateByServerNameAndOurFirstProtocol) {
  for (const char* name : {"a.example", "x.b.example"}) {
    Connection c;
    Client client(name);
    connect(c, client);
    EXPECT_EQ(c.stream.server_name(), name);
    EXPECT_EQ(c.stream.protocol(), "h2");
    EXPECT_STREQ(c.stream.version(), "TLSv1.3");
    X509* const shown = SSL_get0_peer_certificate(client.ssl());
    EXPECT_EQ(X509_check_host(shown, name, 0, 0, nullptr), 1) << name;
  }
}

TEST_F(Tls, ATicketResumesUntilItsKeyIsGone) {
  Connection first;
  Client client("a.example");
  connect(first, client);
  SSL_SESSION* const session = session_from(client, first);
  for (int rotations = 0; rotations <= 3; ++rotations) {
    Connection c;
    Client again("a.example", session);
    connect(c, again);
    EXPECT_EQ(c.stream.resumed(), rotations < 3) << rotations;
    tickets->rotate();
  }
  SSL_SESSION_free(session);
}

TEST_F(Tls, RecordsArriveInAnyPieces) {
  Connection c;
  Client client("a.example");
  connect(c, client);
  const std::string text(40'000, 'x');
  SSL_write(client.ssl(), text.data(), static_cast<int>(text.size()));
  const std::string wire = client.take_output();
  std::size_t at = 0;
  loop::run_until(reactor, [&] {
    const std::size_t size = std::min<std::size_t>(at < 30 ? 1 : 7001, wire.size() - at);
    at += c.wire.send(std::string_view(wire).substr(at, size));
    return c.received.size() == text.size();
  });
  EXPECT_TRUE(c.received == text);
}

TEST_F(Tls, SeveralPiecesLeaveAsOneRecord) {
  Connection c;
  Client client("a.example");
  connect(c, client);
  SSL_SESSION_free(session_from(client, c));  // the ticket's record is out of the way
  const std::string head = "head ", body = "body";
  const std::array<iovec, 2> pieces = {iovec{const_cast<char*>(head.data()), head.size()},
                                       iovec{const_cast<char*>(body.data()), body.size()}};
  EXPECT_EQ(c.stream.try_write(std::span<const iovec>(pieces)).bytes, 9u);
  loop::run_until(reactor, [&] { return c.wire.has(31); });
  EXPECT_EQ(c.wire.received.size(), 5 + 9 + 1 + 16u);  // RFC 8446 section 5.2: header, text, type, tag
}

TEST_F(Tls, HeldRecordsLeaveTogether) {
  Connection c;
  Client client("a.example");
  connect(c, client);
  const std::string text = "one";
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  c.stream.hold(true);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(c.stream.try_write({&piece, 1}).bytes, 3u);
  for (int turns = 0; turns < 20; ++turns) loop::run_until(reactor, [] { return true; });
  client.pump(c.wire);
  EXPECT_EQ(client.read, "");
  c.stream.hold(false);
  EXPECT_EQ(c.stream.try_write({&piece, 1}).bytes, 3u);  // takes the others with it
  loop::run_until(reactor, [&] {
    client.pump(c.wire);
    return client.read.size() == 12;
  });
  c.stream.hold(true);
  EXPECT_TRUE(c.stream.try_write({&piece, 1}).ok());
  EXPECT_TRUE(c.stream.try_flush().ok());
  loop::run_until(reactor, [&] {
    client.pump(c.wire);
    return client.read.size() == 15;
  });
}

loop::Task<void> write_all_held(TlsStream& stream, const std::string& text, bool& done) {
  for (std::size_t at = 0; at < text.size(); at += 16'000) {
    stream.hold(true);
    const IoResult sent = co_await write_all(stream, std::string_view(text).substr(at, 16'000), loop::kNever);
    EXPECT_TRUE(sent.ok());
  }
  stream.hold(false);
  const IoResult flushed = co_await flush_all(stream, loop::kNever);
  done = flushed.ok();
}

TEST_F(Tls, WhatIsHeldIsBoundedAndInOrderWhereTheClientIsSlow) {
  Connection c;
  Client client("a.example");
  connect(c, client);
  std::string text(20'000'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i / 1000);
  bool done = false;
  loop::Scope writing;
  writing.start(write_all_held(c.stream, text, done));
  EXPECT_FALSE(done);  // the sockets are full
  SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);  // to be answered behind what is held
  loop::run_until(reactor, [&] {
    client.pump(c.wire);
    return client.read.size() == text.size();
  });
  EXPECT_TRUE(done);
  EXPECT_TRUE(client.read == text);
}

TEST_F(Tls, NoMoreThanWhatIsThereIsPending) {
  Connection c;
  Client client("a.example");
  connect(c, client);
  SSL_write(client.ssl(), "hello", 5);
  const std::string wire = client.take_output();
  c.wire.send(std::string_view(wire).substr(0, 10));
  for (int turns = 0; turns < 20; ++turns) loop::run_until(reactor, [] { return true; });
  EXPECT_FALSE(c.stream.has_pending());  // half a record is nothing that could be read
  c.wire.send(std::string_view(wire).substr(10));
  loop::run_until(reactor, [&] { return c.received == "hello"; });
}

TEST_F(Tls, EndsAreToldApart) {
  Connection proper, cut;
  Client client("a.example"), other("a.example");
  connect(proper, client);
  connect(cut, other);
  SSL_shutdown(client.ssl());
  proper.wire.send(client.take_output());
  cut.wire.reset();
  loop::run_until(reactor, [&] { return proper.end && cut.end; });
  EXPECT_EQ(proper.end->status, IoStatus::end);
  EXPECT_EQ(cut.end->status, IoStatus::error);
}

TEST_F(Tls, WhatIsNoTlsFailsWithAReason) {
  Connection c;
  start(c);
  c.wire.send("GET / HTTP/1.1\r\n\r\n");
  loop::run_until(reactor, [&] { return c.handshake.has_value(); });
  ASSERT_FALSE(*c.handshake);
  EXPECT_EQ(c.handshake->error().code, EPROTO);
  EXPECT_THAT(c.handshake->error().message, HasSubstr("TLS handshake: "));
}

}  // namespace
}  // namespace envgate::net
