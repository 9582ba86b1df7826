#include "config/load.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace noforce::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string sentences(const Mistakes& mistakes) {
  std::string all;
  for (const Mistake& mistake : mistakes)
    all += to_string(mistake) + "\n";
  return all;
}

// The settings of a text without mistakes.
Settings right(const std::string& text) {
  const auto settings = parse(text, "/etc/noforce/t.toml", MachineChecks::no);
  if (settings) return *settings;
  ADD_FAILURE() << sentences(settings.error());
  return {};
}

// The mistakes of a text that has some, a line each.
std::string wrong(const std::string& text, MachineChecks checks = MachineChecks::no) {
  const auto settings = parse(text, "t.toml", checks);
  if (!settings) return sentences(settings.error());
  ADD_FAILURE() << "no mistake found in\n" << text;
  return {};
}

std::string service(const std::string& more, const std::string& name = "a") {
  return "[[service]]\nname = \"" + name + "\"\ncommand = [\"/bin/a\"]\n" + more + "\n";
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "noforce-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string write(const std::string& name, const std::string& text, mode_t mode) const {
    const std::string path = (path_ / name).string();
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(AnEmptyFile, GivesTheDefaults) {
  Settings defaults;
  defaults.file = "/etc/noforce/t.toml";
  EXPECT_EQ(right(""), defaults);
}

TEST(AFullFile, IsReadKeyByKey) {
  const Settings s = right(R"(
[server]
listen = "[::1]:0"
state_dir = "/srv/nf"
names = ["agent.example.org"]
[tls]
certificate = "server.pem"
key = "/keys/server.key"
client_ca = "clients.pem"
[[client]]
san = "dns:ci.example.org"
role = "operator"
services = ["w3*"]
actions = ["restart"]
[limits]
connections = 100
connections_per_address = 90
streams = 50
streams_per_address = 40
[supervisor]
on_exit = "stop"
[jobs]
deadline_s = 1
no_progress_s = 2
queue_s = 3
max_wait_s = 4
history_days = 5
max_queued = 6
[log]
level = "debug"
file = "agent.log"
[[service]]
name = "base"
command = ["/bin/base"]
[[service]]
name = "w3svc"
display_name = "World Wide Web"
command = ["/bin/web", "--foreground"]
depends_on = ["base"]
start = "manual"
type = "notify"
ready_tcp = "127.0.0.1:80"
stop_signal = "SIGQUIT"
reload_signal = "SIGHUP"
restart = "on-failure"
user = "www-data"
directory = "/var/www"
environment = { LANG = "C.UTF-8" }
limits = { nofile = 4096, core = "unlimited" }
[policy."w3svc"]
protected = true
before_stop = [["/bin/save", "--all"]]
after_start = [["/bin/undrain"]]
hook_timeout_s = 7
verify = { http = "http://127.0.0.1/health", within_s = 8, hold_s = 9 }
cooldown_s = 10
[[group]]
name = "iis"
services = ["base", "w3svc"]
)");
  EXPECT_EQ(s.server.host, "::1");
  EXPECT_EQ(s.server.port, 0);
  EXPECT_EQ(s.server.state_dir, "/srv/nf");
  EXPECT_THAT(s.server.names, ElementsAre("agent.example.org"));
  EXPECT_EQ(s.tls.certificate, "/etc/noforce/server.pem");
  EXPECT_EQ(s.tls.key, "/keys/server.key");
  ASSERT_EQ(s.clients.size(), 1U);
  EXPECT_EQ(s.clients[0].role, Role::operator_);
  EXPECT_THAT(s.clients[0].services, ElementsAre("w3*"));
  EXPECT_EQ(s.limits, (LimitSettings{.connections = 100,
                                     .connections_per_address = 90,
                                     .streams = 50,
                                     .streams_per_address = 40}));
  EXPECT_EQ(s.on_exit, OnExit::stop);
  EXPECT_EQ(s.policies.jobs.deadline, Seconds(1));
  EXPECT_EQ(s.policies.jobs.no_progress, Seconds(2));
  EXPECT_EQ(s.policies.jobs.queue, Seconds(3));
  EXPECT_EQ(s.policies.jobs.max_wait, Seconds(4));
  EXPECT_EQ(s.policies.jobs.history_days, 5);
  EXPECT_EQ(s.policies.jobs.max_queued, 6U);
  EXPECT_EQ(s.log.level, LogLevel::debug);
  EXPECT_EQ(s.log.file, "/etc/noforce/agent.log");

  ASSERT_EQ(s.services.size(), 2U);
  EXPECT_EQ(s.services[0].display_name, "base");
  const supervisor::ServiceSpec& web = s.services[1];
  EXPECT_EQ(web.display_name, "World Wide Web");
  EXPECT_THAT(web.command, ElementsAre("/bin/web", "--foreground"));
  EXPECT_THAT(web.depends_on, ElementsAre("base"));
  EXPECT_EQ(web.start, StartType::manual);
  EXPECT_EQ(web.type, supervisor::Readiness::notify);
  EXPECT_EQ(web.ready_tcp, "127.0.0.1:80");
  EXPECT_EQ(web.stop_signal, SIGQUIT);
  EXPECT_EQ(web.reload_signal, SIGHUP);
  EXPECT_EQ(web.restart, supervisor::RestartPolicy::on_failure);
  EXPECT_EQ(web.user, "www-data");
  EXPECT_EQ(web.directory, "/var/www");
  EXPECT_THAT(web.environment, ElementsAre(std::pair<std::string, std::string>("LANG", "C.UTF-8")));
  EXPECT_THAT(web.limits, ::testing::UnorderedElementsAre(
                              std::pair<std::string, std::uint64_t>("RLIMIT_NOFILE", 4096),
                              std::pair<std::string, std::uint64_t>(
                                  "RLIMIT_CORE", std::numeric_limits<std::uint64_t>::max())));

  const Policy& policy = s.policies.of("w3svc");
  EXPECT_TRUE(policy.is_protected);
  EXPECT_THAT(policy.before_stop, ElementsAre(HookCommand{"/bin/save", "--all"}));
  EXPECT_THAT(policy.after_start, ElementsAre(HookCommand{"/bin/undrain"}));
  EXPECT_EQ(policy.hook_timeout, Seconds(7));
  ASSERT_TRUE(policy.verify.has_value());
  EXPECT_EQ(policy.verify->http, "http://127.0.0.1/health");
  EXPECT_EQ(policy.verify->within, Seconds(8));
  EXPECT_EQ(policy.verify->hold, Seconds(9));
  EXPECT_EQ(policy.cooldown, Seconds(10));
  ASSERT_NE(s.policies.group("iis"), nullptr);
}

TEST(AMistake, IsGivenWithFileLineAndColumn) {
  const auto settings =
      parse("[server]\n  lisen = \"127.0.0.1:1\"\n", "my.toml", MachineChecks::no);
  ASSERT_FALSE(settings.has_value());
  EXPECT_THAT(settings.error(),
              ElementsAre(Mistake{.file = "my.toml",
                                  .line = 2,
                                  .column = 3,
                                  .sentence = "unknown key 'lisen' in [server]; did you mean "
                                              "'listen'?"}));
  EXPECT_EQ(to_string(settings.error().front()).substr(0, 13), "my.toml:2:3: ");
}

TEST(SeveralMistakes, AreAllGivenAtOnceInTheFilesOrder) {
  const auto settings = parse(R"([server]
port = 1
[jobs]
deadline_s = 0
no_progress_s = "long"
[sevice]
[[service]]
name = "a b"
command = ["a"]
)",
                              "t.toml", MachineChecks::no);
  ASSERT_FALSE(settings.has_value());
  std::vector<std::size_t> lines;
  for (const Mistake& mistake : settings.error())
    lines.push_back(mistake.line);
  EXPECT_THAT(lines, ElementsAre(2, 4, 5, 6, 8, 9)) << sentences(settings.error());
}

TEST(ASyntaxError, IsGivenWithItsPlace) {
  EXPECT_THAT(wrong("[server]\nlisten = \n"), HasSubstr("t.toml:2:10: this is not TOML: "));
}

TEST(ATableWithoutAName, IsASyntaxErrorAsWell) {
  EXPECT_THAT(wrong("[=]\n"), HasSubstr("t.toml:1:2: this is not TOML: "));
  EXPECT_THAT(wrong("[[\x01"), HasSubstr("t.toml:1:3: this is not TOML: "));
}

TEST(ALetterOutsideQuotes, IsASyntaxErrorInAnyAlphabet) {
  for (const char* const letter : {"\u00e4", "\u03b1", "\u0428", "\u05d0", "\u4e00"})
    EXPECT_THAT(wrong("[server]\nlisten = 1" + std::string(letter) + "\n"),
                HasSubstr("this is not TOML: "));
}

TEST(Text, ThatIsNotUtf8IsRefused) {
  EXPECT_THAT(wrong("[server]\nlisten = \"\xff\"\n"), HasSubstr("this is not TOML"));
}

TEST(AnUnknownSection, NamesTheNearestOne) {
  EXPECT_THAT(wrong("[sever]\n"), HasSubstr("unknown section 'sever'; did you mean 'server'?"));
  EXPECT_THAT(wrong("[entirely_else]\n"), HasSubstr("there are server, tls, client"));
}

TEST(ASingleTable, WhereSeveralMayBeIsExplained) {
  EXPECT_THAT(wrong("[service]\nname = \"a\"\n"), HasSubstr("write [[service]]"));
  EXPECT_THAT(wrong("[[server]]\n"), HasSubstr("write [server]"));
  EXPECT_THAT(wrong("[policy]\nprotected = true\n"), HasSubstr("write [policy.\"NAME\"]"));
}

TEST(AWrongType, SaysWhatWouldBeRight) {
  EXPECT_THAT(wrong("[jobs]\ndeadline_s = \"600\"\n"),
              HasSubstr("t.toml:2:14: 'deadline_s' has to be an integer, not a string"));
  EXPECT_THAT(wrong("[server]\nnames = [1]\n"), HasSubstr("has to be an array of strings"));
  EXPECT_THAT(wrong(service("") + "[policy.a]\nbefore_stop = [\"/bin/x\"]\n"),
              HasSubstr("has to be an array of commands"));
}

TEST(ANumber, OutOfRangeSaysTheRange) {
  EXPECT_THAT(wrong("[jobs]\nmax_wait_s = 100000\n"),
              HasSubstr("'max_wait_s' goes from 1 to 3600, and 100000 is outside"));
}

TEST(ALimitForClients, HasARangeAndAPartIsNotMoreThanTheWhole) {
  EXPECT_THAT(wrong("[limits]\nconnections = 2\n"),
              HasSubstr("t.toml:2:15: 'connections' goes from 16 to 65536, and 2 is outside"));
  EXPECT_THAT(wrong("[limits]\nconnections = 100\nconnections_per_address = 101\n"),
              HasSubstr("t.toml:3:27: 'connections_per_address' cannot be more than 'connections', "
                        "which is 100"));
  EXPECT_THAT(wrong("[limits]\nstreams_per_address = 20\nstreams = 10\n"),
              HasSubstr("'streams_per_address' cannot be more than 'streams', which is 10"));
  EXPECT_THAT(wrong("[limits]\nconections = 100\n"), HasSubstr("did you mean 'connections'?"));
  EXPECT_EQ(right("[limits]\nconnections = 16\n").limits.connections, 16U);
}

TEST(AChoice, ThatDoesNotExistNamesAllAndTheNearest) {
  EXPECT_THAT(
      wrong("[log]\nlevel = \"warnig\"\n"),
      HasSubstr("'level' is debug, info, warning or error, not 'warnig'; did you mean 'warning'?"));
}

#if NOFORCE_SCM_WINDOWS
constexpr const char* kNotBuilt = "systemd";
#else
constexpr const char* kNotBuilt = "windows";
#endif

TEST(ABackend, ThatIsNotBuiltIsRefusedWithASentence) {
  const std::string name = kNotBuilt;
  EXPECT_THAT(wrong("[scm]\nbackend = \"" + name + "\"\n"),
              HasSubstr("this build has no backend '" + name + "'; it has '"));
}

#if NOFORCE_SCM_SYSTEMD
TEST(ABackend, ThatIsSystemdHasItsManagerTypesAndManners) {
  const Settings settings = right(
      "[scm]\nbackend = \"systemd\"\nmanager = \"user\"\n"
      "types = [\"service\", \"socket\"]\ndisarm = false\n");
  EXPECT_EQ(settings.scm.backend, Backend::systemd);
  EXPECT_EQ(settings.scm.manager, ServiceManager::user);
  EXPECT_THAT(settings.scm.types, ElementsAre("service", "socket"));
  EXPECT_FALSE(settings.scm.disarm);
  EXPECT_THAT(wrong("[scm]\nbackend = \"systemd\"\ntypes = [\"service\", \"slice\"]\n"),
              HasSubstr("t.toml:3:21: 'types' holds service, socket, timer, path and target, and "
                        "'slice' is none of them"));
  EXPECT_THAT(wrong("[scm]\nbackend = \"systemd\"\ntypes = []\n"), HasSubstr("at least one type"));
}

TEST(ABackend, ThatIsSystemdTakesNothingThatOnlyTheSupervisorCanDo) {
  const std::string systemd = "[scm]\nbackend = \"systemd\"\n";
  EXPECT_THAT(wrong(systemd + service("")), HasSubstr("[[service]] is for the backend"));
  EXPECT_THAT(wrong(systemd + "[supervisor]\non_exit = \"stop\"\n"),
              HasSubstr("'on_exit' is for the backend"));
  EXPECT_THAT(wrong(systemd + "[server]\nuser = \"nobody\"\n"),
              HasSubstr("'user' is for the backend"));
  EXPECT_EQ(right("service = []\n" + systemd).scm.backend, Backend::systemd) << "none is said";
}

TEST(ABackend, ThatIsSystemdKnowsUnitsByTheirWholeNames) {
  const Settings settings = right(
      "[scm]\nbackend = \"systemd\"\n[policy.nginx]\nprotected = true\n"
      "[policy.\"web.socket\"]\nprotected = true\n"
      "[[group]]\nname = \"web\"\nservices = [\"nginx\", \"php8.2-fpm.service\"]\n");
  EXPECT_TRUE(settings.policies.services.contains("nginx.service"));
  EXPECT_TRUE(settings.policies.services.contains("web.socket"));
  EXPECT_THAT(settings.policies.groups.at(0).services,
              ElementsAre("nginx.service", "php8.2-fpm.service"));
  EXPECT_THAT(wrong("[scm]\nbackend = \"systemd\"\n[[group]]\nname = \"web\"\n"
                    "services = [\"nginx\", \"nginx.service\"]\n"),
              HasSubstr("'nginx.service' is in this group twice"));
}
#endif

TEST(AListenAddress, NeedsAddressAndPort) {
  EXPECT_THAT(wrong("[server]\nlisten = \"8443\"\n"), HasSubstr("ADDRESS:PORT"));
  EXPECT_THAT(wrong("[server]\nlisten = \"127.0.0.1:99999\"\n"), HasSubstr("ADDRESS:PORT"));
  EXPECT_THAT(wrong("[server]\nlisten = \"::1:80\"\n"), HasSubstr("ADDRESS:PORT"));
}

TEST(CertificateAndKey, BelongTogether) {
  EXPECT_THAT(wrong("[tls]\ncertificate = \"a.pem\"\n"), HasSubstr("belong together"));
}

TEST(AClient, NeedsAClientCaASchemeAndKnownActions) {
  const std::string all =
      wrong("[[client]]\nsan = \"ci.example.org\"\nrole = \"root\"\nactions = [\"restrat\"]\n");
  EXPECT_THAT(all, HasSubstr("needs 'client_ca'"));
  EXPECT_THAT(all, HasSubstr("'san' is one name that a certificate carries"));
  EXPECT_THAT(all, HasSubstr("'role' is viewer, operator or admin"));
  EXPECT_THAT(all, HasSubstr("did you mean 'restart'?"));
}

std::string client(const std::string& san, const std::string& more = "role = \"viewer\"") {
  return "[[client]]\nsan = \"" + san + "\"\n" + more + "\n";
}

TEST(AClient, GoesByTheOneSpellingOfItsName) {
  const std::string ca = "[tls]\nclient_ca = \"/ca.pem\"\n";
  const Settings s = right(ca + client("DNS:CI.Example.org.") + client("email:Anna@EXAMPLE.org") +
                           client("uri:HTTPS://Host/Path") + client("ip:2001:DB8:0::1"));
  std::vector<std::string> sans;
  for (const Client& one : s.clients)
    sans.push_back(one.san);
  EXPECT_THAT(sans, ElementsAre("dns:ci.example.org", "email:Anna@example.org",
                                "uri:https://host/Path", "ip:2001:db8::1"));
  EXPECT_THAT(wrong(ca + client("dns:ci.example.org") + client("dns:CI.example.org")),
              HasSubstr("t.toml:7:7: there is already a [[client]] 'dns:ci.example.org'"));
  for (const char* pattern :
       {"dns:*.example.org", "dns:", "ip:192.0.2.0/24", "email:anna", "uri:x"})
    EXPECT_THAT(wrong(ca + client(pattern)), HasSubstr("without patterns")) << pattern;
}

TEST(AClient, IsNarrowedByPatternsThatCanFitAndNeverAsAnAdmin) {
  const std::string ca = "[tls]\nclient_ca = \"/ca.pem\"\n";
  EXPECT_THAT(wrong(ca + client("dns:a", "role = \"viewer\"\nservices = [\"w3*\", \"\"]")),
              HasSubstr("t.toml:6:20: 'services' holds names of services"));
  EXPECT_THAT(wrong(ca + client("dns:a", "role = \"admin\"\nactions = [\"stop\"]")),
              HasSubstr("an admin covers the whole machine"));
}

TEST(AClientCa, IsNotTheAgentsOwn) {
  const std::string own =
      "[server]\nstate_dir = \"/srv/nf\"\n[tls]\nclient_ca = \"/srv/nf/./tls/ca.pem\"\n";
  EXPECT_THAT(wrong(own), HasSubstr("t.toml:4:13: 'client_ca' cannot be the agent's own CA"));
}

TEST(AServicesName, IsOfAKnownAlphabetAndUnique) {
  EXPECT_THAT(wrong(service("", "../etc")), HasSubstr("1 to 80 of A-Z"));
  EXPECT_THAT(wrong(service("", std::string(81, 'x'))), HasSubstr("1 to 80 of A-Z"));
  EXPECT_THAT(wrong(service("", "")), HasSubstr("1 to 80 of A-Z"));
  EXPECT_THAT(wrong(service("") + service("")),
              HasSubstr("t.toml:6:8: there is already a [[service]] 'a', in line 2"));
  EXPECT_EQ(right(service("", "w3svc@1.b_c-d")).services.size(), 1U);
}

TEST(AService, NeedsNameAndCommand) {
  const std::string all = wrong("[[service]]\n");
  EXPECT_THAT(all, HasSubstr("needs 'name'"));
  EXPECT_THAT(all, HasSubstr("needs 'command'"));
  EXPECT_THAT(wrong("[[service]]\nname = \"a\"\ncommand = []\n"),
              HasSubstr("at least the program"));
  EXPECT_THAT(wrong("[[service]]\nname = \"a\"\ncommand = [\"sh\"]\n"),
              HasSubstr("needs an absolute path, and 'sh'"));
}

TEST(ADependency, HasToExistAndCyclesAreNamed) {
  EXPECT_THAT(wrong(service("", "iisadmin") + service("depends_on = [\"iisadmn\"]", "b")),
              HasSubstr("t.toml:8:15: 'b' depends on 'iisadmn', and there is no such [[service]]; "
                        "did you mean 'iisadmin'?"));
  EXPECT_THAT(wrong(service("depends_on = [\"b\"]", "a") + service("depends_on = [\"a\"]", "b")),
              HasSubstr("a -> b -> a"));
}

TEST(AStopSignal, IsOneThatTheServiceCanHandle) {
  for (const std::string name : {"KILL", "STOP", "ABRT"}) {
    EXPECT_THAT(wrong(service("stop_signal = \"SIG" + name + "\"")),
                HasSubstr("that a service can handle itself"));
  }
  EXPECT_THAT(wrong(service("stop_signal = 9")), HasSubstr("has to be a string"));
  EXPECT_THAT(wrong(service("stop_signal = \"TERM\"")), HasSubstr("did you mean 'SIGTERM'?"));
  EXPECT_THAT(wrong(service("stop_signal = \"\"")), HasSubstr("must be able to be asked"));
  EXPECT_EQ(right(service("stop_signal = \"SIGRTMIN+3\"")).services[0].stop_signal, SIGRTMIN + 3);
  EXPECT_THAT(wrong(service("stop_signal = \"SIGRTMIN+99\"")), HasSubstr("can handle itself"));
}

TEST(ASignal, AndACommandForTheSameAreOneTooMany) {
  EXPECT_THAT(wrong(service("stop_signal = \"SIGINT\"\nstop_command = [\"/bin/x\"]")),
              HasSubstr("'stop_command' takes the place of 'stop_signal'"));
}

TEST(ALimit, ByWhichTheKernelEndsProcessesIsRefused) {
  for (const std::string name : {"cpu", "rttime", "fsize", "as", "data", "stack", "CPU"}) {
    EXPECT_THAT(wrong(service("limits = { " + name + " = 10 }")), HasSubstr("is refused"));
  }
  EXPECT_THAT(wrong(service("limits = { nofiles = 10 }")), HasSubstr("did you mean 'nofile'?"));
  EXPECT_THAT(wrong(service("limits = { nofile = -1 }")), HasSubstr("a number from 0 on"));
}

TEST(AnEnvironment, HoldsNamesAndStringsAndNothingOfTheSupervisors) {
  EXPECT_THAT(wrong(service("environment = { A = 1 }")), HasSubstr("has to be a string"));
  EXPECT_THAT(wrong(service("environment = { \"A=B\" = \"1\" }")), HasSubstr("cannot be the name"));
  EXPECT_THAT(wrong(service("environment = { NOTIFY_SOCKET = \"/x\" }")),
              HasSubstr("sets 'NOTIFY_SOCKET' itself"));
  EXPECT_THAT(wrong(service("environment = { A = \"x\\u0000y\" }")), HasSubstr("NUL"));
}

TEST(AUser, HasToExistHere) {
  EXPECT_THAT(wrong(service("user = \"nobody-of-that-name\""), MachineChecks::yes),
              HasSubstr("t.toml:4:8: there is no user 'nobody-of-that-name'"));
}

TEST(AVerification, IsEitherHttpOrTcp) {
  const auto verify = [](const std::string& inner) {
    return service("") + "[policy.a]\nverify = { " + inner + " }\n";
  };
  EXPECT_THAT(wrong(verify("")), HasSubstr("either 'http' or 'tcp'"));
  EXPECT_THAT(wrong(verify(R"(http = "http://x/", tcp = "x:1")")), HasSubstr("either"));
  EXPECT_THAT(wrong(verify(R"(http = "https://x/")")), HasSubstr("http:// URL"));
  EXPECT_THAT(wrong(verify(R"(http = "http://user@x/")")), HasSubstr("http:// URL"));
  EXPECT_THAT(wrong(verify(R"(tcp = "x")")), HasSubstr("HOST:PORT"));
  EXPECT_THAT(wrong(verify(R"(tcp = "x:1", within = 3)")), HasSubstr("did you mean 'within_s'?"));
}

TEST(APolicyOrGroup, IsAboutServicesThatExist) {
  EXPECT_THAT(wrong(service("", "w3svc") + "[policy.\"w3svcs\"]\n"),
              HasSubstr("did you mean 'w3svc'?"));
  EXPECT_THAT(wrong(service("", "w3svc") + "[[group]]\nname = \"g\"\nservices = [\"w3scv\"]\n"),
              HasSubstr("the group's member 'w3scv' is no [[service]]; did you mean 'w3svc'?"));
  EXPECT_THAT(wrong(service("") + "[[group]]\nname = \"g\"\nservices = [\"a\", \"a\"]\n"),
              HasSubstr("in this group twice"));
  EXPECT_THAT(wrong("[[group]]\nname = \"g\"\nservices = []\n"), HasSubstr("at least one member"));
}

TEST(AHook, HasToBeAProgramThatOthersCannotWrite) {
  const TemporaryDirectory dir;
  const auto hook = [](const std::string& path) {
    return service("") + "[policy.a]\nbefore_stop = [[\"" + path + "\"]]\n";
  };
  const std::string good = dir.write("good", "#!/bin/sh\n", 0755);
  const auto settings = parse(hook(good), "t.toml");
  EXPECT_TRUE(settings.has_value()) << sentences(settings.error());
  EXPECT_THAT(wrong(hook("/no/such/hook"), MachineChecks::yes), HasSubstr("cannot be found"));
  EXPECT_THAT(wrong(hook(dir.write("plain", "", 0644)), MachineChecks::yes),
              HasSubstr("cannot be executed"));
  EXPECT_THAT(wrong(hook(dir.write("open", "#!/bin/sh\n", 0777)), MachineChecks::yes),
              HasSubstr("chmod go-w"));
  EXPECT_THAT(wrong(hook("relative"), MachineChecks::yes), HasSubstr("absolute path"));
}

TEST(AFile, ThatOthersCanWriteMayHoldNoServices) {
  const TemporaryDirectory dir;
  const auto open = load(dir.write("open.toml", service(""), 0666));
  ASSERT_FALSE(open.has_value());
  EXPECT_THAT(sentences(open.error()), HasSubstr("only root and the agent's user"));
  EXPECT_TRUE(load(dir.write("closed.toml", service(""), 0644)).has_value());
  EXPECT_TRUE(load(dir.write("harmless.toml", "[log]\nlevel = \"warning\"\n", 0666)).has_value());
}

TEST(AFile, ThatIsMissingOrTooLargeOrNoFileIsRefused) {
  const TemporaryDirectory dir;
  EXPECT_THAT(sentences(load((dir.path() / "none.toml").string()).error()),
              HasSubstr("none.toml: cannot be read: No such file"));
  EXPECT_THAT(sentences(load(dir.path().string()).error()), HasSubstr("is not a regular file"));
  EXPECT_THAT(
      sentences(load(dir.write("huge.toml", std::string(largest_file + 1, '#'), 0644)).error()),
      HasSubstr("is larger than"));
}

}  // namespace
}  // namespace noforce::config
