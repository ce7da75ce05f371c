// That the libssh which conf/libssh brings is the one that the session room needs: new enough, with a key
// exchange that a quantum computer does not open, strict where the peer is (CVE-2023-48795), and able to
// serve from one loop.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.hpp"

namespace envgate::ssh {
namespace {

using Session = std::unique_ptr<ssh_session_struct, decltype(&ssh_free)>;
using Event = std::unique_ptr<ssh_event_struct, decltype(&ssh_event_free)>;

constexpr std::string_view kPassword = "correct horse";
constexpr int kExitStatus = 42;
static_assert(LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 12, 2));

Session make_session() {
  Session session(ssh_new(), &ssh_free);
  ssh_set_blocking(session.get(), 0);
  return session;
}

// Accepts one session channel and echoes what it is sent, until the end of that.
class Server {
 public:
  explicit Server(int fd) {
    server_callbacks_.userdata = this;
    server_callbacks_.auth_password_function = [](ssh_session, const char*, const char* password, void*) {
      return password == kPassword ? static_cast<int>(SSH_AUTH_SUCCESS) : static_cast<int>(SSH_AUTH_DENIED);
    };
    server_callbacks_.channel_open_request_session_function = [](ssh_session, void* self) {
      return static_cast<Server*>(self)->open();
    };
    ssh_callbacks_init(&server_callbacks_);

    channel_callbacks_.userdata = this;
    channel_callbacks_.channel_exec_request_function = [](ssh_session, ssh_channel, const char* line,
                                                          void* self) {
      static_cast<Server*>(self)->command = line;
      return 0;
    };
    channel_callbacks_.channel_data_function = [](ssh_session, ssh_channel, void* data, uint32_t size, int,
                                                  void* self) {
      static_cast<Server*>(self)->unsent_.append(static_cast<const char*>(data), size);
      return static_cast<int>(size);
    };
    channel_callbacks_.channel_eof_function = [](ssh_session, ssh_channel, void* self) {
      static_cast<Server*>(self)->all_received_ = true;
    };
    ssh_callbacks_init(&channel_callbacks_);

    const std::unique_ptr<ssh_bind_struct, decltype(&ssh_bind_free)> bind(ssh_bind_new(), &ssh_bind_free);
    const bool process_config = false;
    EXPECT_EQ(ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_PROCESS_CONFIG, &process_config), SSH_OK);
    ssh_key key = nullptr;
    EXPECT_EQ(ssh_pki_generate_key(SSH_KEYTYPE_ED25519, nullptr, &key), SSH_OK);
    EXPECT_EQ(ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_IMPORT_KEY, key), SSH_OK);
    EXPECT_EQ(ssh_bind_accept_fd(bind.get(), session.get(), fd), SSH_OK) << ssh_get_error(bind.get());
    ssh_set_server_callbacks(session.get(), &server_callbacks_);
    ssh_set_auth_methods(session.get(), SSH_AUTH_METHOD_PASSWORD);
  }

  // Sends what the client's window admits; to be called again after each turn of the loop.
  void echo() {
    if (channel_ == nullptr || ended_) return;
    if (!unsent_.empty()) {
      const int sent = ssh_channel_write(channel_, unsent_.data(), static_cast<uint32_t>(unsent_.size()));
      ASSERT_GE(sent, 0) << ssh_get_error(session.get());
      unsent_.erase(0, static_cast<size_t>(sent));
    }
    if (all_received_ && unsent_.empty()) {
      ended_ = true;
      EXPECT_EQ(ssh_channel_request_send_exit_status(channel_, kExitStatus), SSH_OK);
      EXPECT_EQ(ssh_channel_send_eof(channel_), SSH_OK);
      EXPECT_EQ(ssh_channel_close(channel_), SSH_OK);
    }
  }

  Session session = make_session();
  std::string command;

 private:
  ssh_channel open() {
    channel_ = ssh_channel_new(session.get());
    ssh_set_channel_callbacks(channel_, &channel_callbacks_);
    return channel_;
  }

  ssh_server_callbacks_struct server_callbacks_{};
  ssh_channel_callbacks_struct channel_callbacks_{};
  ssh_channel channel_ = nullptr;  // the session's
  std::string unsent_;
  bool all_received_ = false, ended_ = false;
};

Session make_client(int fd) {
  Session client = make_session();
  const bool process_config = false;
  EXPECT_EQ(ssh_options_set(client.get(), SSH_OPTIONS_PROCESS_CONFIG, &process_config), SSH_OK);
  EXPECT_EQ(ssh_options_set(client.get(), SSH_OPTIONS_HOST, "environment"), SSH_OK);
  EXPECT_EQ(ssh_options_set(client.get(), SSH_OPTIONS_USER, "root"), SSH_OK);
  EXPECT_EQ(ssh_options_set(client.get(), SSH_OPTIONS_FD, &fd), SSH_OK);
  return client;
}

class Libssh : public testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_EQ(ssh_init(), SSH_OK); }
  static void TearDownTestSuite() { ssh_finalize(); }

  void start(int server_fd, int client_fd) {
    server_ = std::make_unique<Server>(server_fd);
    client_ = make_client(client_fd);
  }

  void TearDown() override {
    for (const ssh_session session : in_event_) ssh_event_remove_session(event_.get(), session);
  }

  // Turns the loop until the condition holds; false where it does not within the deadline.
  bool turn_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      ssh_event_dopoll(event_.get(), 10);
    }
    return true;
  }

  // Both ends' part of it, until one has failed or both are done.
  void exchange_keys(const std::function<void()>& between = [] {}) {
    ASSERT_TRUE(turn_until([&] {
      if (served_ == SSH_AGAIN) served_ = ssh_handle_key_exchange(server_->session.get());
      if (connected_ == SSH_AGAIN) connected_ = ssh_connect(client_.get());
      between();
      if (in_event_.empty()) {  // only now have they anything to poll
        in_event_ = {server_->session.get(), client_.get()};
        for (const ssh_session session : in_event_) {
          EXPECT_EQ(ssh_event_add_session(event_.get(), session), SSH_OK);
        }
      }
      return served_ == SSH_ERROR || connected_ == SSH_ERROR || (served_ == SSH_OK && connected_ == SSH_OK);
    }));
    // libssh makes a client's socket a blocking one as soon as that is connected, and would wait in send(2).
    if (connected_ == SSH_OK) {
      ASSERT_EQ(::fcntl(ssh_get_fd(client_.get()), F_SETFL, O_NONBLOCK), 0);
    }
  }

  Event event_{ssh_event_new(), &ssh_event_free};
  std::unique_ptr<Server> server_;
  Session client_{nullptr, &ssh_free};
  std::vector<ssh_session> in_event_;
  int served_ = SSH_AGAIN, connected_ = SSH_AGAIN;
};

using Pair = std::array<int, 2>;
Pair socket_pair() {
  Pair pair{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()), 0);
  return pair;
}

TEST_F(Libssh, IsNewEnough) {
  EXPECT_NE(ssh_version(SSH_VERSION_INT(0, 12, 2)), nullptr) << ssh_version(0);
  EXPECT_EQ(ssh_version(SSH_VERSION_INT(255, 0, 0)), nullptr);
}

TEST_F(Libssh, ServesAClientInOneLoop) {
  const auto [server_fd, client_fd] = socket_pair();
  start(server_fd, client_fd);
  ASSERT_NO_FATAL_FAILURE(exchange_keys());
  ASSERT_EQ(served_, SSH_OK) << ssh_get_error(server_->session.get());
  ASSERT_EQ(connected_, SSH_OK) << ssh_get_error(client_.get());
  const std::string_view exchange = ssh_get_kex_algo(client_.get());
  EXPECT_TRUE(exchange == "mlkem768x25519-sha256" || exchange.starts_with("sntrup761x25519-sha512"))
      << exchange;
  EXPECT_EQ(exchange, ssh_get_kex_algo(server_->session.get()));

  const auto authenticate = [&](std::string_view password) {
    int result = SSH_AUTH_AGAIN;
    EXPECT_TRUE(turn_until([&] {
      result = ssh_userauth_password(client_.get(), nullptr, std::string(password).c_str());
      return result != SSH_AUTH_AGAIN;
    }));
    return result;
  };
  EXPECT_EQ(authenticate("wrong"), SSH_AUTH_DENIED);
  ASSERT_EQ(authenticate(kPassword), SSH_AUTH_SUCCESS);

  struct Received {
    std::string data;
    int status = -1;
    bool closed = false;
  } received;
  ssh_channel_callbacks_struct callbacks{};
  callbacks.userdata = &received;
  callbacks.channel_data_function = [](ssh_session, ssh_channel, void* data, uint32_t size, int, void* into) {
    static_cast<Received*>(into)->data.append(static_cast<const char*>(data), size);
    return static_cast<int>(size);
  };
  callbacks.channel_exit_status_function = [](ssh_session, ssh_channel, int status, void* into) {
    static_cast<Received*>(into)->status = status;
  };
  callbacks.channel_close_function = [](ssh_session, ssh_channel, void* into) {
    static_cast<Received*>(into)->closed = true;
  };
  ssh_callbacks_init(&callbacks);
  ssh_channel channel = ssh_channel_new(client_.get());
  ASSERT_EQ(ssh_set_channel_callbacks(channel, &callbacks), SSH_OK);

  int result = SSH_AGAIN;
  ASSERT_TRUE(turn_until([&] { return (result = ssh_channel_open_session(channel)) != SSH_AGAIN; }));
  ASSERT_EQ(result, SSH_OK) << ssh_get_error(client_.get());
  ASSERT_TRUE(
      turn_until([&] { return (result = ssh_channel_request_exec(channel, "echo it")) != SSH_AGAIN; }));
  ASSERT_EQ(result, SSH_OK) << ssh_get_error(client_.get());
  EXPECT_EQ(server_->command, "echo it");

  std::string sent(1 << 20, '\0');
  std::mt19937 random(1);
  for (char& byte : sent) byte = static_cast<char>(random());
  size_t offset = 0;
  bool ended = false;
  ASSERT_TRUE(turn_until([&] {
    if (offset < sent.size()) {
      const auto rest = static_cast<uint32_t>(sent.size() - offset);
      const int written = ssh_channel_write(channel, sent.data() + offset, rest);
      EXPECT_GE(written, 0) << ssh_get_error(client_.get());
      offset += static_cast<size_t>(std::max(written, 0));
    } else if (!ended) {
      EXPECT_EQ(received.status, -1);
      ended = ssh_channel_send_eof(channel) == SSH_OK;
    }
    server_->echo();
    return received.closed;
  }));
  EXPECT_TRUE(received.data == sent) << received.data.size() << " bytes came back";
  EXPECT_EQ(received.status, kExitStatus);
  ssh_channel_free(channel);
}

// Passes on what the ends send, and slips a packet into one direction, right behind the identification line:
// what an attacker between the two can do before there are keys (CVE-2023-48795).
class Between {
 public:
  Between(Fd from, Fd to, bool slip_in) : from_(std::move(from)), to_(std::move(to)), slip_in_(slip_in) {}

  void pass_on() {
    pass_on(from_, to_, slip_in_);
    bool never = false;
    pass_on(to_, from_, never);
  }

 private:
  static void pass_on(const Fd& from, const Fd& to, bool& slip_in) {
    std::array<char, 65536> buffer;
    ssize_t size;
    while ((size = ::recv(from.get(), buffer.data(), buffer.size(), 0)) > 0) {
      std::string data(buffer.data(), static_cast<size_t>(size));
      if (const size_t line = data.find("\r\n"); slip_in && line != data.npos) {
        // SSH_MSG_IGNORE without content: length 12, padding 6, type 2 (RFC 4253 6 and 11.2)
        data.insert(line + 2, std::string("\0\0\0\x0c\x06\x02\0\0\0\0", 10) + std::string(6, '\0'));
        slip_in = false;
      }
      EXPECT_EQ(::send(to.get(), data.data(), data.size(), MSG_NOSIGNAL), static_cast<ssize_t>(data.size()));
    }
  }

  Fd from_, to_;
  bool slip_in_;
};

class LibsshBetween : public Libssh {
 protected:
  enum class To { nobody, server, client };

  void exchange_keys_with_a_packet(To to) {
    const auto [server_fd, to_server] = socket_pair();
    const auto [client_fd, to_client] = socket_pair();
    start(server_fd, client_fd);
    // A cipher that counts by itself: sequence numbers that no longer agree are not what ends it.
    for (const auto option : {SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C}) {
      EXPECT_EQ(ssh_options_set(client_.get(), option, "aes256-gcm@openssh.com"), SSH_OK);
    }
    Between between(Fd(to == To::client ? to_server : to_client),
                    Fd(to == To::client ? to_client : to_server), to != To::nobody);
    exchange_keys([&] { between.pass_on(); });
  }
};

TEST_F(LibsshBetween, PassesOnAnExchangeThatIsLeftAlone) {
  ASSERT_NO_FATAL_FAILURE(exchange_keys_with_a_packet(To::nobody));
  EXPECT_EQ(served_, SSH_OK) << ssh_get_error(server_->session.get());
  EXPECT_EQ(connected_, SSH_OK) << ssh_get_error(client_.get());
}

TEST_F(LibsshBetween, AServerEndsAnExchangeWithAStrayPacket) {
  ASSERT_NO_FATAL_FAILURE(exchange_keys_with_a_packet(To::server));
  EXPECT_EQ(served_, SSH_ERROR);
  EXPECT_THAT(ssh_get_error(server_->session.get()), testing::HasSubstr("strict KEX"));
}

TEST_F(LibsshBetween, AClientEndsAnExchangeWithAStrayPacket) {
  ASSERT_NO_FATAL_FAILURE(exchange_keys_with_a_packet(To::client));
  EXPECT_EQ(connected_, SSH_ERROR);
  EXPECT_THAT(ssh_get_error(client_.get()), testing::HasSubstr("strict KEX"));
}

}  // namespace
}  // namespace envgate::ssh
