// The three places of a setting's default and meaning say the same: the settings' types, the
// table in config/schema.cpp, and the sample that people read.

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/load.hpp"
#include "config/schema.hpp"

namespace noforce::config {
namespace {

std::vector<std::string> sample_lines() {
  std::ifstream file(std::string(NOFORCE_SOURCE_DIR) + "/config/noforce.toml");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    lines.push_back(line);
  return lines;
}

// `#key = value` and `#[table]` without their `#`; prose (`# ...`) stays what it is.
std::string uncommented(const std::string& line) {
  return line.size() > 1 && line[0] == '#' && line[1] != ' ' ? line.substr(1) : line;
}

struct SampleKey {
  std::string value;
  std::vector<std::string> comment;  // the lines above it, without "# "
  bool commented_out = false;
};

// "server.listen" -> what the sample shows of it.
std::map<std::string, SampleKey> sample_keys() {
  std::map<std::string, SampleKey> keys;
  std::string section;
  std::vector<std::string> comment;
  for (const std::string& raw : sample_lines()) {
    const std::string line = uncommented(raw);
    if (line.starts_with("# ")) {
      comment.push_back(line.substr(2));
      continue;
    }
    if (line.starts_with("[")) {
      const std::size_t begin = line.find_first_not_of('[');
      section = line.substr(begin, line.find_first_of(".]", begin) - begin);
    } else if (const std::size_t equals = line.find(" = "); equals != std::string::npos) {
      keys[section + "." + line.substr(0, equals)] = {
          .value = line.substr(equals + 3), .comment = comment, .commented_out = line != raw};
    }
    comment.clear();
  }
  return keys;
}

std::string path_of(const Key& key) {
  return std::string(key.section) + "." + std::string(key.name);
}

bool is_inner(const Key& key) {
  return find_section(key.section)->kind == SectionKind::inner;
}

TEST(TheSample, ShowsEverySettingWithItsDefaultAndMeaning) {
  const auto shown = sample_keys();
  for (const Key& key : keys()) {
    if (is_inner(key)) continue;
    const auto found = shown.find(path_of(key));
    ASSERT_NE(found, shown.end()) << path_of(key) << " is missing in config/noforce.toml";
    EXPECT_TRUE(found->second.commented_out) << path_of(key);
    if (!key.fallback.empty()) {
      EXPECT_EQ(found->second.value, key.fallback) << path_of(key);
    }
    ASSERT_FALSE(found->second.comment.empty()) << path_of(key);
    if (key.type == ValueType::section) continue;
    EXPECT_EQ(found->second.comment.back(), key.meaning) << path_of(key);
  }
}

TEST(TheSample, ShowsTheKeysOfAnInnerTableAboveIt) {
  const auto shown = sample_keys();
  for (const Key& key : keys()) {
    if (!is_inner(key)) continue;
    const SampleKey& outer = shown.at(std::string(key.section));
    const std::string line = "  " + std::string(key.name) + ": " + std::string(key.meaning);
    EXPECT_NE(std::ranges::find(outer.comment, line), outer.comment.end()) << path_of(key);
  }
}

TEST(TheSample, ShowsNothingElse) {
  for (const auto& [path, shown] : sample_keys()) {
    const std::size_t dot = path.find('.');
    EXPECT_NE(find_key(path.substr(0, dot), path.substr(dot + 1)), nullptr) << path;
  }
}

TEST(TheSample, GivesTheDefaultsAsItIs) {
  std::string text;
  for (const std::string& line : sample_lines())
    text += line + "\n";
  const auto settings = parse(text, "", MachineChecks::no);
  ASSERT_TRUE(settings.has_value()) << to_string(settings.error().front());
  EXPECT_EQ(*settings, Settings{});
}

TEST(TheSample, GivesTheDefaultsAndItsExamplesWithoutItsCommentSigns) {
  std::string text;
  for (const std::string& raw : sample_lines()) {
    const std::string line = uncommented(raw);
    // A [[client]] needs a CA, which has no default.
    text += (line == "client_ca = \"\"" ? "client_ca = \"/ca.pem\"" : line) + "\n";
  }
  auto settings = parse(text, "", MachineChecks::no);
  ASSERT_TRUE(settings.has_value()) << to_string(settings.error().front());

  Settings expected;
  expected.tls.client_ca = "/ca.pem";
  expected.clients = {{.san = "dns:ci.example.org", .role = Role::operator_}};
  supervisor::ServiceSpec service;
  service.name = "example";
  service.display_name = "example";
  service.command = {"/usr/sbin/example", "--foreground"};
  service.directory = "/";
  expected.services = {service};
  Verify verify;
  verify.http = "http://127.0.0.1/health";
  expected.policies.services["example"].verify = verify;
  expected.policies.groups = {{.name = "all", .services = {"example"}}};
  EXPECT_EQ(*settings, expected);
}

TEST(TheSchema, NamesEachSectionAndKeyOnce) {
  std::set<std::string> seen;
  for (const Section& section : sections()) {
    EXPECT_TRUE(seen.insert(std::string(section.path)).second) << section.path;
    EXPECT_FALSE(key_names(section.path).empty()) << section.path;
  }
  for (const Key& key : keys()) {
    EXPECT_NE(find_section(key.section), nullptr) << path_of(key);
    EXPECT_TRUE(seen.insert("key " + path_of(key)).second) << path_of(key);
    EXPECT_EQ(key.type == ValueType::choice, !key.choices.empty()) << path_of(key);
    EXPECT_LE(key.meaning.size(), 98U) << path_of(key);
  }
}

TEST(TheNearestKey, IsNoneWhereNothingIsNear) {
  EXPECT_EQ(nearest("lisen", {"listen", "names"}), "listen");
  EXPECT_EQ(nearest("LISTEN", {"listen"}), "listen");
  EXPECT_EQ(nearest("zebra", {"listen", "names"}), "");
  EXPECT_EQ(nearest("", {"listen"}), "");
  EXPECT_EQ(nearest(std::string(5000, 'a'), {"listen"}), "");
}

}  // namespace
}  // namespace noforce::config
