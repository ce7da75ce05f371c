// An engine in memory: just as much of the API as the backend uses, with every request on record. It keeps
// what it is told to make and answers as Docker does.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backends/docker/json.hpp"
#include "backends/docker/transport.hpp"

namespace envgate::backends::docker {

class FakeEngine final : public Transport {
 public:
  Outcome<Response> send(const Request& request, const Call& call) override;
  Outcome<Response> converse(const Request& request, const Secret& input, const Call& call) override;
  std::string shown() const override { return "fake"; }

  json& container(const std::string& name) { return containers.at(name); }

  std::string api = "1.41";
  bool away = false;  // nobody answers
  // "POST /containers/create" and the like: answered so instead, for as long as it is here.
  std::map<std::string, Response> refuses;
  std::map<std::string, json> containers, volumes, networks, images;  // by name; images by repository:tag
  std::vector<std::string> pullable;
  std::vector<std::string> requests;  // "POST /containers/create?name=..." without the version
  std::vector<std::string> bodies;
  std::string heard;  // the input of the last converse

 private:
  Response answer(const Request& request, const std::string& path, const std::string& query);
  Response container_call(const Request& request, const std::string& id, const std::string& verb);
  json* by_id(const std::string& id);
  int next_ = 0;
};

}  // namespace envgate::backends::docker
