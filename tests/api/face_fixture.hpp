// A face over the real jobs and a real journal on disk; only the SCM is a fake.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "api/face.hpp"
#include "core/digest.hpp"
#include "tests/api/request.hpp"
#include "tests/support/fake_scm.hpp"

namespace noforce::test {

class AFace : public ::testing::Test {
 protected:
  AFace() {
    directory_ =
        std::filesystem::temp_directory_path() / ("noforce-face-" + to_hex(random_bytes(8)));
    std::filesystem::create_directory(directory_);
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
  }
  ~AFace() override {
    if (events) events->close();
    face.reset();
    jobs.reset();
    credentials.reset();
    journal.reset();
    std::filesystem::remove_all(directory_);
  }

  void SetUp() override {
    std::vector<Service> services = exchange_estate();
    in(services, "w3svc").display_name = "World Wide Web Publishing";
    scm = std::make_unique<FakeScm>(std::move(services));
    auto opened = Journal::open((directory_ / "noforce.db").string());
    ASSERT_TRUE(opened) << opened.error().detail;
    journal = std::move(*opened);
    credentials = std::make_unique<Credentials>(*journal, system_clock());
    ASSERT_TRUE(credentials->load());
    events = std::make_unique<EventFeed>("01KBN8G5ZJ4T1S8Q0V7XH2M3RD");
    policies.groups = {{"iis", {"iisadmin", "w3svc", "ghost"}}, {"mail", {"smtpsvc", "pop3svc"}}};
    auto started =
        Jobs::start({*journal, *scm, *events, test::no_http}, policies, Milliseconds{1000});
    ASSERT_TRUE(started) << started.error().detail;
    jobs = std::move(*started);
    face = std::make_unique<api::Face>(api::FaceParts{.jobs = *jobs,
                                                      .credentials = *credentials,
                                                      .journal = *journal,
                                                      .events = *events,
                                                      .agent = {.version = "0.1.0",
                                                                .backend = "supervisor",
                                                                .hostname = "agent.example",
                                                                .started_at = system_clock().wall(),
                                                                .started = system_clock().mono()},
                                                      .hosts = {"agent.example"}});
    viewer = token("viewer", Role::viewer);
    oper = token("oper", Role::operator_);
    admin = token("admin", Role::admin);
  }

  std::string token(const std::string& name, Role role, std::vector<std::string> services = {},
                    std::vector<std::string> actions = {}) {
    auto made = credentials->create(name, role, std::move(services), std::move(actions),
                                    std::nullopt, "local:root");
    EXPECT_TRUE(made) << made.error().detail;
    return made ? made->secret : std::string();
  }

  // `secret` empty: no credential.
  api::Response ask(const std::string& secret, const std::string& method, const std::string& target,
                    const std::string& body = {}, api::Fields headers = {}) {
    if (!secret.empty()) headers.add("Authorization", "Bearer " + secret);
    if (!body.empty() && headers.find("Content-Type") == nullptr)
      headers.add("Content-Type", "application/json");
    return settled(face->handle(make_request(method, target, std::move(headers), body)));
  }
  // What the caller gets in the end, where the answer is to come later.
  static api::Response settled(api::Response response) {
    while (response.later) {
      const bool at_last = system_clock().mono() >= response.later->due();
      if (auto answer = response.later->look(at_last)) return std::move(*answer);
      std::this_thread::sleep_for(Milliseconds{1});
    }
    return response;
  }
  static nlohmann::json json_of(const api::Response& response) {
    auto parsed = nlohmann::json::parse(response.body, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << response.body;
    return parsed;
  }
  static std::string header(const api::Response& response, const std::string& name) {
    const std::string* const value = response.headers.find(name);
    return value == nullptr ? "(none)" : *value;
  }
  // "403 forbidden"
  static std::string refusal(const api::Response& response) {
    if (response.status < 400) return std::to_string(response.status) + " " + response.body;
    return std::to_string(response.status) + " " +
           json_of(response).value("code", std::string("(no code)"));
  }

  Policies policies;
  std::unique_ptr<FakeScm> scm;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<Credentials> credentials;
  std::unique_ptr<EventFeed> events;
  std::unique_ptr<Jobs> jobs;
  std::unique_ptr<api::Face> face;
  std::string viewer;
  std::string oper;
  std::string admin;

 private:
  std::filesystem::path directory_;
};

}  // namespace noforce::test
