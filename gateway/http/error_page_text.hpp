// The words of the gateway's own answers, one row for each kind. Internal to error_page.cpp.
#pragma once

#include <string_view>

#include "gateway/http/error_page.hpp"

namespace envgate::http::internal {

struct ErrorText {
  ErrorKind kind;
  int status;
  bool retry;              // Retry-After is sent
  std::string_view code;   // in a problem document, for programs
  std::string_view text;   // what happened and what can be done, for a customer
  std::string_view chinese;
};

inline constexpr ErrorText kErrorTexts[] = {
    {ErrorKind::bad_request, 400, false, "bad_request",
     "The gateway could not accept this request, because it is not well-formed HTTP.",
     "请求格式不正确,网关无法处理。"},
    {ErrorKind::link_needed, 401, false, "link_needed",
     "This port is private and opens by a link. Ask the environment's owner for one; operators make it with: "
     "envctl env open ENV PORT",
     "该端口为私有端口,需通过链接访问。请向环境所有者索取链接;管理员可执行 envctl env open ENV PORT 生成。"},
    {ErrorKind::link_bad, 401, false, "link_bad",
     "This link is not valid for this port. It may have been cut when it was copied. Ask for a new one; "
     "operators make it with: envctl env open ENV PORT",
     "链接无效,可能未完整复制。请索取新的链接;管理员可执行 envctl env open ENV PORT 生成。"},
    {ErrorKind::link_used, 401, false, "link_used",
     "This link has been used already, and each opens the port only once. Ask for a new one; operators make "
     "it with: envctl env open ENV PORT",
     "链接已被使用,每个链接只能使用一次。请索取新的链接;管理员可执行 envctl env open ENV PORT 生成。"},
    {ErrorKind::link_expired, 401, false, "link_expired",
     "This link has expired. Ask for a new one; operators make it with: envctl env open ENV PORT",
     "链接已过期。请索取新的链接;管理员可执行 envctl env open ENV PORT 生成。"},
    {ErrorKind::unknown_environment, 404, false, "unknown_environment",
     "There is no environment with this name. Check the address; the environment may have been deleted.",
     "没有这个环境。请检查地址,该环境可能已被删除。"},
    {ErrorKind::port_not_open, 403, false, "port_not_open",
     "This port of the environment is not open to the web. Open it in the environment's settings.",
     "该环境的这个端口没有开放,请在环境设置中开放。"},
    {ErrorKind::source_not_allowed, 403, false, "source_not_allowed",
     "Your address may not reach this environment. Ask its owner to allow it.",
     "您的地址不在该环境的允许范围内,请联系环境的所有者。"},
    {ErrorKind::foreign_origin, 403, false, "foreign_origin",
     "This port is private, and accepts a WebSocket only from its own pages: Origin must be its own address.",
     "该端口为私有端口,只接受来自其自身页面的 WebSocket 连接。"},
    {ErrorKind::method_not_allowed, 405, false, "method_not_allowed",
     "The gateway does not forward this method.", "网关不转发这种请求方法。"},
    {ErrorKind::request_timeout, 408, false, "request_timeout",
     "The request did not arrive completely in time. Please try again.", "请求未能及时发送完成,请重试。"},
    {ErrorKind::body_too_large, 413, false, "body_too_large",
     "The request's content is larger than the gateway accepts.", "请求内容超过了允许的大小。"},
    {ErrorKind::target_too_long, 414, false, "uri_too_long", "The address of this request is too long.",
     "请求地址过长。"},
    {ErrorKind::expectation_failed, 417, false, "expectation_failed",
     "The gateway cannot meet the request's Expect field.", "无法满足请求的 Expect 要求。"},
    {ErrorKind::misdirected, 421, false, "misdirected",
     "This connection cannot carry requests for this host. Please try again.",
     "此连接不能访问该主机,请重试。"},
    {ErrorKind::websocket_version, 426, false, "websocket_version", "WebSocket version 13 is required.",
     "需要 WebSocket 版本 13。"},
    {ErrorKind::too_many_requests, 429, true, "too_many_requests",
     "Too many requests or connections at once. Please wait a moment and try again.",
     "请求过多,请稍候再试。"},
    {ErrorKind::fields_too_large, 431, false, "fields_too_large",
     "The request's header fields are too large. Clearing this site's cookies may help.",
     "请求头过大,清除本站的 Cookie 后重试可能有效。"},
    {ErrorKind::internal, 500, false, "internal_error",
     "Something went wrong in the gateway. Please tell support the request id below.",
     "网关内部错误,请将下方的请求编号告知客服。"},
    {ErrorKind::not_implemented, 501, false, "not_implemented", "The gateway does not offer this protocol.",
     "网关不支持这种协议。"},
    {ErrorKind::target_refused, 502, false, "target_refused",
     "The environment is there, but nothing answers on this port. Is the service in it running?",
     "环境已找到,但该端口没有响应。请确认其中的服务已启动。"},
    {ErrorKind::target_bad_answer, 502, false, "target_bad_answer",
     "The service in the environment sent an answer that is not well-formed HTTP. Is this the right port?",
     "环境中的服务返回了无效的 HTTP 响应。请确认端口是否正确。"},
    {ErrorKind::stopped, 503, true, "environment_stopped",
     "The environment is not running. Start it, then load this page again.",
     "环境未运行。请启动后刷新页面。"},
    {ErrorKind::waking, 503, true, "environment_starting",
     "The environment was asleep and is being started for you. This page loads itself again until it is up.",
     "环境正在为您启动,启动完成后页面会自动刷新。"},
    {ErrorKind::waking_failed, 503, true, "environment_not_starting",
     "The environment was asleep and could not be started. Its owner or operator can see why.",
     "环境启动失败,请联系环境的所有者或管理员。"},
    {ErrorKind::draining, 503, true, "draining",
     "This gateway is being restarted. Please try again in a moment.", "网关正在重启,请稍候再试。"},
    {ErrorKind::target_timeout, 504, false, "target_timeout",
     "The service in the environment did not answer in time. It may be busy or still starting.",
     "环境中的服务未及时响应,可能繁忙或仍在启动。"},
    {ErrorKind::version_not_supported, 505, false, "version_not_supported",
     "The gateway speaks HTTP/1.0, HTTP/1.1 and HTTP/2.", "网关支持 HTTP/1.0、HTTP/1.1 和 HTTP/2。"},
};

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(kErrorTexts); ++i)
    if (static_cast<std::size_t>(kErrorTexts[i].kind) != i) return false;
  return std::size(kErrorTexts) == static_cast<std::size_t>(ErrorKind::count_);
}
static_assert(rows_are_in_order());

}  // namespace envgate::http::internal
