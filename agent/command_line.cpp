#include "agent/command_line.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/platform_commands.hpp"

namespace noforce::agent {
namespace {

// What the options write to; lives as long as the parsing and the command.
struct Words {
  Where where;
  std::string file;
  std::string name;
  std::string reason;
  std::string expires = "90d";
  std::size_t limit = 100;
  std::vector<std::string> hosts;
  NewTokenOptions token;
  PlatformWords platform;
};

using Command = std::function<int()>;

void add_where(CLI::App& app, Where& where) {
  auto* config =
      app.add_option("--config", where.config,
                     "Settings file (default: " + default_settings() + ", if it exists)");
  app.add_option("--state-dir", where.state_dir, "State directory, instead of the settings' one")
      ->excludes(config);
}

// --config and --state-dir both count: the first for names and the port, the second for the place.
void add_where_for_init(CLI::App& app, Words& words) {
  app.add_option("--config", words.where.config, "Settings file");
  app.add_option("--state-dir", words.where.state_dir, "Where to make it all");
  app.add_option("--host", words.hosts,
                 "A name or address by which clients call this machine; may be repeated. "
                 "Its own name, localhost, 127.0.0.1 and ::1 are always among them");
}

std::string check_duration(const std::string& text) {
  if (text == "never" || parse_duration(text)) return {};
  return "'" + text + "' is no time: write 12h, 30d, 8w or never";
}

void add_token(CLI::App& app, Words& words, Command& chosen) {
  CLI::App* token = app.add_subcommand("token", "Makes, lists and revokes bearer tokens");
  token->require_subcommand(1);

  CLI::App* create = token->add_subcommand("create", "Makes a token; its secret is printed once");
  add_where(*create, words.where);
  create->add_option("NAME", words.token.name, "Whose it is: shown in jobs and in the audit trail")
      ->required();
  create->add_option("--role", words.token.role, "viewer (reads), operator (jobs), admin")
      ->required()
      ->check(CLI::IsMember({"viewer", "operator", "admin"}));
  create->add_option("--service", words.token.services,
                     "Only services whose name fits this pattern; may be repeated");
  create->add_option("--action", words.token.actions,
                     "Only this action; may be repeated: stop, start, restart, ...");
  create->add_option("--expires", words.expires, "12h, 30d, 8w or never")
      ->capture_default_str()
      ->check(check_duration);
  create->callback([&words, &chosen] {
    chosen = [&words] {
      words.token.where = words.where;
      words.token.expires_s = parse_duration(words.expires);
      return token_create(words.token);
    };
  });

  CLI::App* list = token->add_subcommand("list", "Lists all tokens, never their secrets");
  add_where(*list, words.where);
  list->callback([&words, &chosen] { chosen = [&words] { return token_list(words.where); }; });

  CLI::App* revoke = token->add_subcommand("revoke", "Makes a token worthless, at once");
  add_where(*revoke, words.where);
  revoke->add_option("NAME", words.name)->required();
  revoke->callback(
      [&words, &chosen] { chosen = [&words] { return token_revoke(words.where, words.name); }; });
}

void add_hold(CLI::App& app, Words& words, Command& chosen) {
  CLI::App* hold = app.add_subcommand("hold", "While it is on, no job begins");
  hold->require_subcommand(1);
  CLI::App* on = hold->add_subcommand("on", "Sets the hold");
  add_where(*on, words.where);
  on->add_option("--reason", words.reason, "For whoever finds it");
  on->callback(
      [&words, &chosen] { chosen = [&words] { return hold_on(words.where, words.reason); }; });
  CLI::App* off = hold->add_subcommand("off", "Releases it; only here, on the machine itself");
  add_where(*off, words.where);
  off->callback([&words, &chosen] { chosen = [&words] { return hold_off(words.where); }; });
  CLI::App* status = hold->add_subcommand("status", "Says whether it is on, and since when");
  add_where(*status, words.where);
  status->callback([&words, &chosen] { chosen = [&words] { return hold_status(words.where); }; });
}

void add_audit(CLI::App& app, Words& words, Command& chosen) {
  CLI::App* audit = app.add_subcommand("audit", "Shows and verifies the audit trail");
  audit->require_subcommand(1);
  CLI::App* show = audit->add_subcommand("show", "Shows its last rows, the newest last");
  add_where(*show, words.where);
  show->add_option("--limit", words.limit, "How many")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  show->callback(
      [&words, &chosen] { chosen = [&words] { return audit_show(words.where, words.limit); }; });
  CLI::App* verify =
      audit->add_subcommand("verify", "Follows the chain of hashes; exit 1 where it is broken");
  add_where(*verify, words.where);
  verify->callback([&words, &chosen] { chosen = [&words] { return audit_verify(words.where); }; });
}

void add_first_steps(CLI::App& app, Words& words, Command& chosen, const std::string& version) {
  CLI::App* run = app.add_subcommand("serve", "Runs the agent in the foreground");
  run->add_option("--config", words.where.config,
                  "Settings file (default: " + default_settings() + ", if it exists)");
  run->callback([&words, &chosen, version] {
    chosen = [&words, version] {
      return serve(
          {.config = words.where.config, .version = version, .service = words.platform.service});
    };
  });
  add_platform_commands(app, *run, words.platform, chosen);

  CLI::App* make = app.add_subcommand(
      "init", "Makes a private CA, a server certificate and an admin token; overwrites nothing");
  add_where_for_init(*make, words);
  make->callback([&words, &chosen] {
    chosen = [&words] { return init({.where = words.where, .hosts = words.hosts}); };
  });

  CLI::App* check =
      app.add_subcommand("check-config", "Names every mistake in a settings file; exit 1 if any");
  check->add_option("FILE", words.file, "(default: " + default_settings() + ")");
  check->callback([&words, &chosen] { chosen = [&words] { return check_config(words.file); }; });
}

void add_upkeep(CLI::App& app, Words& words, Command& chosen) {
  CLI::App* again = app.add_subcommand("reload", "Makes the running agent read its settings again");
  add_where(*again, words.where);
  again->callback([&words, &chosen] { chosen = [&words] { return reload(words.where); }; });

  CLI::App* copy = app.add_subcommand(
      "backup",
      "Copies the journal (jobs, audit trail, tokens) to a new file, and checks the copy");
  add_where(*copy, words.where);
  copy->add_option("FILE", words.file, "Is never overwritten")->required();
  copy->callback(
      [&words, &chosen] { chosen = [&words] { return backup(words.where, words.file); }; });

  CLI::App* cert = app.add_subcommand("cert", "The server's certificate");
  cert->require_subcommand(1);
  CLI::App* renew = cert->add_subcommand(
      "renew", "Makes a new one with the CA of `init`; a running agent takes it up");
  add_where_for_init(*renew, words);
  renew->callback([&words, &chosen] {
    chosen = [&words] { return cert_renew({.where = words.where, .hosts = words.hosts}); };
  });

  CLI::App* keep = app.add_subcommand("keeper", "Runs the services; started by the agent itself");
  keep->group("");  // not in the help
  keep->add_option("--state-dir", words.where.state_dir)->required();
  keep->add_option("--face", words.name);
  keep->callback([&words, &chosen] {
    chosen = [&words] { return keeper(words.where.state_dir, words.name); };
  });
}

}  // namespace

int run_command_line(const std::vector<std::string>& arguments, const std::string& version) {
  CLI::App app("noforce restarts the services of this machine over HTTPS, and never kills one.",
               "noforce");
  app.set_version_flag("--version", "noforce " + version);
  app.require_subcommand(1);
  app.footer("Exit status: 0 ok, 1 failed, 2 usage, 4 refused, 5 the agent cannot be reached.");

  Words words;
  Command chosen;
  add_first_steps(app, words, chosen, version);
  add_token(app, words, chosen);
  add_hold(app, words, chosen);
  add_audit(app, words, chosen);
  add_upkeep(app, words, chosen);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants it
    if (!reversed.empty()) reversed.pop_back();
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& problem) {
    // Help and the version are "errors" with status 0; everything else is a usage error.
    return app.exit(problem) == 0 ? exit_ok : exit_usage;
  }
  return chosen ? chosen() : exit_usage;
}

}  // namespace noforce::agent
