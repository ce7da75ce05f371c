#include "routing/redis/link.hpp"

#include <hiredis/hiredis.h>
#include <sys/random.h>

#include <cstdio>

#include "base/check.hpp"

namespace envgate::routing::redis {
namespace {

constexpr std::string_view kInvalidate = "__redis__:invalidate";

std::string_view text_of(const redisReply& reply) {
  return reply.str ? std::string_view(reply.str, reply.len) : std::string_view();
}

bool is_error(const redisReply& reply) { return reply.type == REDIS_REPLY_ERROR; }

std::string random_name() {
  std::uint64_t word = 0;
  CHECK(::getrandom(&word, sizeof word, 0) == static_cast<ssize_t>(sizeof word));
  char text[40];
  std::snprintf(text, sizeof text, "envgate-push-%016llx", static_cast<unsigned long long>(word));
  return text;
}

// "run_id:0a1b..." of INFO's lines, "flags=PtB" of CLIENT LIST's words.
std::string_view field(std::string_view text, std::string_view name, std::string_view ends) {
  std::size_t at = text.find(name);
  while (at != std::string_view::npos && at != 0 && ends.find(text[at - 1]) == std::string_view::npos) {
    at = text.find(name, at + 1);
  }
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + name.size());
  return text.substr(0, text.find_first_of(ends));
}

}  // namespace

Link::Link(Loop& loop, const Url& url, const RedisSettings& settings, Handlers handlers)
    : loop_(loop),
      url_(url),
      settings_(settings),
      handlers_(std::move(handlers)),
      data_(loop, {[this] { data_connected(); }, [this](const redisReply& reply) { data_reply(reply); },
                   [this](const std::string& error) { give_up(error); }}),
      push_(loop, {[this] { push_connected(); }, [this](const redisReply& reply) { push_reply(reply); },
                   [this](const std::string& error) { give_up(error); }}) {}

Link::~Link() { stop(); }

void Link::start() {
  stop();
  stopped_ = false;
  name_ = random_name();
  info_ = {};
  may_list_clients_ = true;
  canary_ = loop_.after(settings_.canary, [this] { canary(); });
  data_.open(url_, settings_.connect_timeout);
  if (!stopped_) push_.open(url_, settings_.connect_timeout);
}

void Link::stop() {
  stopped_ = true;
  ready_ = data_ready_ = push_ready_ = false;
  loop_.cancel(canary_);
  data_.close();
  push_.close();
  data_expected_.clear();
  push_expected_.clear();
}

void Link::give_up(const std::string& error) {
  if (stopped_) return;
  stop();
  handlers_.lost(error);
}

void Link::request(std::span<const std::string_view> arguments, Reply reply) {
  data_.send(arguments);
  data_expected_.push_back(std::move(reply));
}

void Link::flush() {
  data_.flush();
  push_.flush();
}

void Link::expect_ok(std::deque<Reply>& expected, std::string what) {
  expected.push_back([this, what = std::move(what)](const redisReply& reply) {
    if (is_error(reply)) give_up(url_.shown() + ": " + what + ": " + std::string(text_of(reply)));
  });
}

void Link::log_in(Connection& connection, std::deque<Reply>& expected) {
  if (url_.password.empty()) return;
  if (url_.user.empty()) {
    connection.send({"AUTH", url_.password});
  } else {
    connection.send({"AUTH", url_.user, url_.password});
  }
  expect_ok(expected, "AUTH");
}

void Link::data_connected() {
  log_in(data_, data_expected_);
  data_.send({"SELECT", std::to_string(url_.db)});
  expect_ok(data_expected_, "SELECT " + std::to_string(url_.db));
  data_.send({"CLIENT", "SETNAME", "envgate-data"});
  data_expected_.push_back([](const redisReply&) {});  // only for whoever reads CLIENT LIST
  read_server_info();
}

void Link::read_server_info() {
  data_.send({"INFO", "server"});
  data_expected_.push_back([this](const redisReply& reply) {
    if (is_error(reply)) return;  // forbidden by ACL: then a restart is not told from a reconnect
    info_.run_id = field(text_of(reply), "run_id:", "\r\n");
    info_.version = field(text_of(reply), "redis_version:", "\r\n");
  });
  data_.send({"CONFIG", "GET", "maxmemory-policy"});
  data_expected_.push_back([this](const redisReply& reply) {
    if (reply.type == REDIS_REPLY_ARRAY && reply.elements == 2)
      info_.maxmemory_policy = text_of(*reply.element[1]);
    data_ready_ = true;
    half_ready();
  });
}

void Link::data_reply(const redisReply& reply) {
  if (data_expected_.empty())
    return give_up(url_.shown() + ": a reply to nothing: " + std::string(text_of(reply)));
  if (ready_) handlers_.heard();
  const Reply expected = std::move(data_expected_.front());
  data_expected_.pop_front();
  expected(reply);
}

void Link::push_connected() {
  log_in(push_, push_expected_);
  push_.send({"CLIENT", "SETNAME", name_});
  push_expected_.push_back([](const redisReply&) {});
  push_.send({"CLIENT", "ID"});
  push_expected_.push_back([this](const redisReply& reply) {
    if (reply.type != REDIS_REPLY_INTEGER) {
      return give_up(url_.shown() + ": CLIENT ID: " + std::string(text_of(reply)) +
                     " (Redis 6.0 or newer is needed)");
    }
    subscribe(std::to_string(reply.integer));
  });
}

void Link::subscribe(const std::string& id) {
  push_id_ = id;
  push_.send({"CLIENT", "TRACKING", "ON", "REDIRECT", id, "BCAST", "PREFIX", "env:"});
  expect_ok(push_expected_, "CLIENT TRACKING (Redis 6.0 or newer is needed, and the right +client|tracking)");
  push_.send({"SUBSCRIBE", kInvalidate});
  expect_ok(push_expected_,
            "SUBSCRIBE __redis__:invalidate (its user needs the channel: &__redis__:invalidate)");
  push_.flush();
}

void Link::push_reply(const redisReply& reply) {
  if (ready_) handlers_.heard();
  // Messages and pongs are arrays and may come between the replies of the handshake (redis issue 13645).
  if (reply.type == REDIS_REPLY_ARRAY && reply.elements >= 2) {
    const std::string_view kind = text_of(*reply.element[0]);
    if (kind == "pong") return;
    if (kind == "message") return push_message(reply);
    if (kind == "subscribe" && !push_ready_) {
      if (!push_expected_.empty()) push_expected_.pop_front();
      push_ready_ = true;
      return half_ready();
    }
  }
  if (push_expected_.empty()) {
    if (is_error(reply)) give_up(url_.shown() + ": " + std::string(text_of(reply)));
    return;
  }
  const Reply expected = std::move(push_expected_.front());
  push_expected_.pop_front();
  expected(reply);
}

void Link::push_message(const redisReply& reply) {
  if (reply.elements != 3 || text_of(*reply.element[1]) != kInvalidate) return;
  const redisReply& payload = *reply.element[2];
  if (payload.type == REDIS_REPLY_NIL) return handlers_.flushed();
  if (payload.type != REDIS_REPLY_ARRAY) return;  // somebody's own PUBLISH on this channel
  std::vector<std::string_view> keys;
  for (std::size_t i = 0; i < payload.elements; ++i) {
    if (payload.element[i]->type == REDIS_REPLY_STRING) keys.push_back(text_of(*payload.element[i]));
  }
  handlers_.invalidated(keys);
}

void Link::half_ready() {
  if (!data_ready_ || !push_ready_ || ready_) return;
  ready_ = true;
  send_canary();  // at once: that both are on one server is to be known before much is read
  handlers_.heard();
  handlers_.ready(info_);
}

void Link::canary() {
  canary_ = loop_.after(settings_.canary, [this] { canary(); });
  const Loop::Time now = Loop::Clock::now();
  for (const Connection* connection : {&data_, &push_}) {
    if (now - connection->heard_at() > settings_.silence) {
      return give_up(url_.shown() + ": nothing heard on the " + (connection == &data_ ? "data" : "push") +
                     " connection for " + std::to_string(settings_.silence.count()) + " ms");
    }
  }
  if (ready_) send_canary();
}

void Link::send_canary() {
  push_.send({"PING"});
  if (may_list_clients_) {
    data_.send({"CLIENT", "LIST", "ID", push_id_});
    data_expected_.push_back([this](const redisReply& reply) { check_tracking(reply); });
  } else {
    data_.send({"PING"});
    data_expected_.push_back([](const redisReply&) {});
  }
  flush();
}

void Link::check_tracking(const redisReply& reply) {
  if (is_error(reply)) {
    may_list_clients_ = false;
    return;
  }
  const std::string_view line = text_of(reply);
  if (field(line, "name=", " \n") != name_) {
    return give_up(url_.shown() +
                   ": the server of the data connection does not know the push connection: the name "
                   "leads to several servers; give the address of one");
  }
  const std::string_view flags = field(line, "flags=", " \n");
  for (const char flag : {'t', 'B', 'P'}) {
    if (flags.find(flag) == std::string_view::npos) {
      return give_up(url_.shown() + ": the server no longer tracks keys for the push connection (flags " +
                     std::string(flags) + ")");
    }
  }
}

}  // namespace envgate::routing::redis
