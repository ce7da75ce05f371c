#include "backends/docker/images.hpp"

#include "backends/docker/names.hpp"
#include "backends/docker/observe.hpp"
#include "backends/docker/pull_stream.hpp"
#include "base/check.hpp"

namespace envgate::backends::docker {
namespace {

constexpr std::size_t kMostReport = 256u << 20;

Outcome<std::optional<Image>> look_at(Engine& engine, const ImageName& name, const Call& call) {
  auto found = engine.find("/images/" + name.full() + "/json", "look for image " + name.full(), call);
  if (!found) return tl::unexpected(std::move(found.error()));
  if (!*found) return std::optional<Image>();
  Image image{text_at(**found, {"Id"}), image_digest_of(**found, name.repository)};
  if (image.id.empty())
    return failure(Cause::failed, "the engine shows image " + name.full() + " without its id");
  return std::optional<Image>(std::move(image));
}

// An engine reads the login in the header's base64; it is in no URL, body or log.
std::string auth_header(const RegistryLogin& login, const std::string& registry) {
  const json auth = {
      {"username", login.user}, {"password", login.password.reveal()}, {"serveraddress", registry}};
  return "X-Registry-Auth: " + base64url(to_text(auth));
}

Outcome<void> pull(Engine& engine, const ImageName& name, const Wanted& wanted, const Call& call) {
  const std::string doing = "pull image " + name.full();
  PullStream stream(call.progress);
  Request request{"POST",
                  "/images/create?fromImage=" + percent_encode(name.repository) +
                      "&tag=" + percent_encode(name.version()),
                  "",
                  {},
                  kMostReport,
                  [&](std::string_view bytes) { return stream.feed(bytes); }};
  if (wanted.registry) request.headers.push_back(auth_header(*wanted.registry, name.registry));
  auto response = engine.send(std::move(request), call);
  if (!stream.error().empty()) return refusal(0, stream.error(), doing);
  if (!response) return failure(response.error().cause, doing + ": " + response.error().message);
  if (response->status != 200) return refusal(*response, doing);
  return {};
}

}  // namespace

Outcome<Image> ensure_image(Engine& engine, const Wanted& wanted, const Call& call) {
  const auto name = ImageName::parse(wanted.image);
  CHECK(name);  // validated before
  // What a digest names cannot change: if it is there, "always" has nothing to fetch.
  if (wanted.pull != PullPolicy::always || !name->digest.empty()) {
    auto found = look_at(engine, *name, call);
    if (!found) return tl::unexpected(std::move(found.error()));
    if (*found) return std::move(**found);
  }
  if (wanted.pull == PullPolicy::never) {
    return failure(Cause::missing,
                   "image " + name->full() +
                       " is not on the node, and the pull policy is never: load it, or let it be pulled");
  }
  auto pulled = pull(engine, *name, wanted, call);
  if (!pulled) return tl::unexpected(std::move(pulled.error()));
  auto found = look_at(engine, *name, call);
  if (!found) return tl::unexpected(std::move(found.error()));
  if (!*found)
    return failure(Cause::failed, "image " + name->full() + " is gone just after its pull: try again");
  return std::move(**found);
}

}  // namespace envgate::backends::docker
