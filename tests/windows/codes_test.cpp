// The table of the SCM's error codes.
#include "core/scm/windows/codes.hpp"

#include <cstddef>
#include <iterator>

#include <gtest/gtest.h>

namespace noforce::windows {
namespace {

struct Row {
  Code code;
  const char* name;
  ErrorKind kind;
  Effect effect;
};

// As the documentation names them (System Error Codes), and as core takes them.
const Row kRows[] = {
    {2, "ERROR_FILE_NOT_FOUND", ErrorKind::start_failed, Effect::none},
    {3, "ERROR_PATH_NOT_FOUND", ErrorKind::start_failed, Effect::none},
    {5, "ERROR_ACCESS_DENIED", ErrorKind::access_denied, Effect::none},
    {6, "ERROR_INVALID_HANDLE", ErrorKind::scm_failure, Effect::none},
    {50, "ERROR_NOT_SUPPORTED", ErrorKind::scm_failure, Effect::none},
    {87, "ERROR_INVALID_PARAMETER", ErrorKind::scm_failure, Effect::none},
    {120, "ERROR_CALL_NOT_IMPLEMENTED", ErrorKind::scm_failure, Effect::none},
    {124, "ERROR_INVALID_LEVEL", ErrorKind::scm_failure, Effect::none},
    {193, "ERROR_BAD_EXE_FORMAT", ErrorKind::start_failed, Effect::none},
    {1051, "ERROR_DEPENDENT_SERVICES_RUNNING", ErrorKind::dependents_running, Effect::none},
    {1052, "ERROR_INVALID_SERVICE_CONTROL", ErrorKind::control_not_accepted, Effect::none},
    {1053, "ERROR_SERVICE_REQUEST_TIMEOUT", ErrorKind::timeout, Effect::unknown},
    {1054, "ERROR_SERVICE_NO_THREAD", ErrorKind::start_failed, Effect::none},
    {1055, "ERROR_SERVICE_DATABASE_LOCKED", ErrorKind::busy, Effect::none},
    {1056, "ERROR_SERVICE_ALREADY_RUNNING", ErrorKind::already_running, Effect::none},
    {1057, "ERROR_INVALID_SERVICE_ACCOUNT", ErrorKind::start_failed, Effect::none},
    {1058, "ERROR_SERVICE_DISABLED", ErrorKind::service_disabled, Effect::none},
    {1059, "ERROR_CIRCULAR_DEPENDENCY", ErrorKind::dependency_cycle, Effect::none},
    {1060, "ERROR_SERVICE_DOES_NOT_EXIST", ErrorKind::unknown_service, Effect::none},
    {1061, "ERROR_SERVICE_CANNOT_ACCEPT_CTRL", ErrorKind::busy, Effect::none},
    {1062, "ERROR_SERVICE_NOT_ACTIVE", ErrorKind::not_active, Effect::none},
    {1066, "ERROR_SERVICE_SPECIFIC_ERROR", ErrorKind::scm_failure, Effect::done},
    {1067, "ERROR_PROCESS_ABORTED", ErrorKind::scm_failure, Effect::done},
    {1068, "ERROR_SERVICE_DEPENDENCY_FAIL", ErrorKind::start_failed, Effect::none},
    {1069, "ERROR_SERVICE_LOGON_FAILED", ErrorKind::start_failed, Effect::none},
    {1070, "ERROR_SERVICE_START_HANG", ErrorKind::timeout, Effect::unknown},
    {1072, "ERROR_SERVICE_MARKED_FOR_DELETE", ErrorKind::unknown_service, Effect::none},
    {1075, "ERROR_SERVICE_DEPENDENCY_DELETED", ErrorKind::dependency_missing, Effect::none},
    {1077, "ERROR_SERVICE_NEVER_STARTED", ErrorKind::not_active, Effect::none},
    {1079, "ERROR_DIFFERENT_SERVICE_ACCOUNT", ErrorKind::start_failed, Effect::none},
    {1083, "ERROR_SERVICE_NOT_IN_EXE", ErrorKind::start_failed, Effect::none},
    {1115, "ERROR_SHUTDOWN_IN_PROGRESS", ErrorKind::shutting_down, Effect::none},
    {1294, "ERROR_SERVICE_NOTIFY_CLIENT_LAGGING", ErrorKind::busy, Effect::none},
    {1297, "ERROR_INCOMPATIBLE_SERVICE_PRIVILEGE", ErrorKind::start_failed, Effect::none},
    {1722, "RPC_S_SERVER_UNAVAILABLE", ErrorKind::scm_unavailable, Effect::none},
    {1723, "RPC_S_SERVER_TOO_BUSY", ErrorKind::busy, Effect::none},
    {1726, "RPC_S_CALL_FAILED", ErrorKind::scm_unavailable, Effect::unknown},
    {1727, "RPC_S_CALL_FAILED_DNE", ErrorKind::scm_unavailable, Effect::none},
    {1818, "RPC_S_CALL_CANCELLED", ErrorKind::timeout, Effect::unknown},
};

TEST(AnScmCode, HasItsKindItsNameAndWhatItDid) {
  for (const auto& row : kRows) {
    const CodeMeaning meaning = meaning_of(row.code);
    EXPECT_EQ(meaning.name, row.name);
    EXPECT_EQ(meaning.kind, row.kind) << row.name;
    EXPECT_EQ(meaning.effect, row.effect) << row.name;
    EXPECT_FALSE(meaning.sentence.empty()) << row.name;
  }
}

TEST(AnScmCode, ThatHasANameIsOneOfThese) {
  constexpr Code most = 16'000;  // beyond the system error codes
  std::size_t named = 0;
  for (Code code = 0; code < most; ++code)
    named += meaning_of(code).name.empty() ? 0 : 1;
  EXPECT_EQ(named, std::size(kRows));
}

TEST(AnScmCode, IsToldByServiceNumberNameAndSentence) {
  const Error error = error_of(1051, "IISADMIN", "`stop`");
  EXPECT_EQ(error.kind, ErrorKind::dependents_running);
  EXPECT_EQ(error.service, "IISADMIN");
  EXPECT_EQ(error.native_code, 1051);
  EXPECT_EQ(error.native_name, "ERROR_DEPENDENT_SERVICES_RUNNING");
  EXPECT_EQ(
      error.detail,
      "IISADMIN was asked for `stop`: services that depend on it are running; they have to be "
      "stopped first (1051 ERROR_DEPENDENT_SERVICES_RUNNING).");
}

TEST(AnScmCode, ThatIsNotInTheTableKeepsItsNumber) {
  const Error error = error_of(1337, "W3SVC", "`start`");
  EXPECT_EQ(error.kind, ErrorKind::scm_failure);
  EXPECT_EQ(error.native_code, 1337);
  EXPECT_TRUE(error.native_name.empty());
  EXPECT_EQ(error.effect, Effect::none);
  EXPECT_EQ(number_and_name(1337), "1337");
}

TEST(AnScmCode, OfTheRpcMeansThatTheManagerIsLost) {
  EXPECT_TRUE(means_lost(code::server_unavailable));
  EXPECT_TRUE(means_lost(code::call_failed));
  EXPECT_TRUE(means_lost(code::call_not_executed));
  EXPECT_FALSE(means_lost(code::access_denied));
  EXPECT_FALSE(means_lost(code::request_timeout));
}

}  // namespace
}  // namespace noforce::windows
