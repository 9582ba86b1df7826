#include "core/sqlite.hpp"

#include <algorithm>

#include <sqlite3.h>

#include "core/full_disk.hpp"

namespace noforce::sqlite {
namespace {

struct CodeName {
  int code;
  std::string_view name;
};

#define NOFORCE_CODE(code) {code, #code}
constexpr CodeName code_names[] = {
    NOFORCE_CODE(SQLITE_ERROR),
    NOFORCE_CODE(SQLITE_INTERNAL),
    NOFORCE_CODE(SQLITE_PERM),
    NOFORCE_CODE(SQLITE_ABORT),
    NOFORCE_CODE(SQLITE_BUSY),
    NOFORCE_CODE(SQLITE_BUSY_RECOVERY),
    NOFORCE_CODE(SQLITE_BUSY_SNAPSHOT),
    NOFORCE_CODE(SQLITE_BUSY_TIMEOUT),
    NOFORCE_CODE(SQLITE_LOCKED),
    NOFORCE_CODE(SQLITE_NOMEM),
    NOFORCE_CODE(SQLITE_READONLY),
    NOFORCE_CODE(SQLITE_READONLY_CANTINIT),
    NOFORCE_CODE(SQLITE_READONLY_DBMOVED),
    NOFORCE_CODE(SQLITE_READONLY_DIRECTORY),
    NOFORCE_CODE(SQLITE_READONLY_RECOVERY),
    NOFORCE_CODE(SQLITE_INTERRUPT),
    NOFORCE_CODE(SQLITE_IOERR),
    NOFORCE_CODE(SQLITE_IOERR_READ),
    NOFORCE_CODE(SQLITE_IOERR_SHORT_READ),
    NOFORCE_CODE(SQLITE_IOERR_WRITE),
    NOFORCE_CODE(SQLITE_IOERR_FSYNC),
    NOFORCE_CODE(SQLITE_IOERR_DIR_FSYNC),
    NOFORCE_CODE(SQLITE_IOERR_TRUNCATE),
    NOFORCE_CODE(SQLITE_IOERR_FSTAT),
    NOFORCE_CODE(SQLITE_IOERR_UNLOCK),
    NOFORCE_CODE(SQLITE_IOERR_RDLOCK),
    NOFORCE_CODE(SQLITE_IOERR_DELETE),
    NOFORCE_CODE(SQLITE_IOERR_ACCESS),
    NOFORCE_CODE(SQLITE_IOERR_LOCK),
    NOFORCE_CODE(SQLITE_IOERR_CLOSE),
    NOFORCE_CODE(SQLITE_IOERR_SHMOPEN),
    NOFORCE_CODE(SQLITE_IOERR_SHMSIZE),
    NOFORCE_CODE(SQLITE_IOERR_SHMLOCK),
    NOFORCE_CODE(SQLITE_IOERR_SHMMAP),
    NOFORCE_CODE(SQLITE_IOERR_SEEK),
    NOFORCE_CODE(SQLITE_IOERR_MMAP),
    NOFORCE_CODE(SQLITE_IOERR_CORRUPTFS),
    NOFORCE_CODE(SQLITE_CORRUPT),
    NOFORCE_CODE(SQLITE_CORRUPT_INDEX),
    NOFORCE_CODE(SQLITE_CORRUPT_SEQUENCE),
    NOFORCE_CODE(SQLITE_FULL),
    NOFORCE_CODE(SQLITE_CANTOPEN),
    NOFORCE_CODE(SQLITE_CANTOPEN_FULLPATH),
    NOFORCE_CODE(SQLITE_CANTOPEN_ISDIR),
    NOFORCE_CODE(SQLITE_CANTOPEN_SYMLINK),
    NOFORCE_CODE(SQLITE_PROTOCOL),
    NOFORCE_CODE(SQLITE_SCHEMA),
    NOFORCE_CODE(SQLITE_TOOBIG),
    NOFORCE_CODE(SQLITE_CONSTRAINT),
    NOFORCE_CODE(SQLITE_CONSTRAINT_CHECK),
    NOFORCE_CODE(SQLITE_CONSTRAINT_NOTNULL),
    NOFORCE_CODE(SQLITE_CONSTRAINT_PRIMARYKEY),
    NOFORCE_CODE(SQLITE_CONSTRAINT_UNIQUE),
    NOFORCE_CODE(SQLITE_MISMATCH),
    NOFORCE_CODE(SQLITE_MISUSE),
    NOFORCE_CODE(SQLITE_AUTH),
    NOFORCE_CODE(SQLITE_RANGE),
    NOFORCE_CODE(SQLITE_NOTADB),
};
#undef NOFORCE_CODE

int primary(std::int64_t code) {
  return static_cast<int>(code & 0xFF);
}

// The extended code of what failed last. Quotas, and file systems that find out late, report a full
// disk as something else.
int last_code(sqlite3* db) {
  const int code = sqlite3_extended_errcode(db);
  if (primary(code) != SQLITE_IOERR) return code;
  return means_full_disk(sqlite3_system_errno(db)) ? SQLITE_FULL : code;
}

std::string_view find_name(int code) {
  const auto* const found = std::ranges::find(code_names, code, &CodeName::code);
  return found == std::end(code_names) ? std::string_view{} : found->name;
}

// What whoever runs the machine can do about a file that is lost.
constexpr std::string_view way_out =
    "end the agent (the services run on) and put a copy made by `noforce backup` in its place, or "
    "move noforce.db and what begins with its name away and start with a new journal, which knows "
    "no job, no token and not what services are wanted to be";

std::string sentence(int code, std::string_view message) {
  switch (primary(code)) {
    case SQLITE_FULL:
      return "the disk that holds the journal is full; free some space and it goes on by itself";
    case SQLITE_IOERR:
      return "the disk that holds the journal failed to read or write; look at the system's log, "
             "it goes on by itself once the disk does";
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return "the journal cannot be written; give the agent's user the right to write it and its "
             "directory";
    case SQLITE_CORRUPT:
      return "the journal is damaged; " + std::string(way_out);
    case SQLITE_NOTADB:
      return "the journal's file is no SQLite database (any more); " + std::string(way_out);
    case SQLITE_CANTOPEN:
      return "the journal's file cannot be opened; look at the rights on it and its directory";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another process holds the journal; is a second agent, a backup or a shell on it?";
    default:
      return "the journal's database failed: " + std::string(message);
  }
}

}  // namespace

std::string_view code_name(int code) {
  const std::string_view exact = find_name(code);
  if (!exact.empty()) return exact;
  const std::string_view general = find_name(primary(code));
  return general.empty() ? "SQLITE_UNKNOWN" : general;
}

Error error_of(int code, std::string_view message) {
  Error error;
  error.kind = ErrorKind::journal_unavailable;
  error.detail = sentence(code, message);
  error.native_code = code;
  error.native_name = code_name(code);
  return error;
}

bool is_storage_failure(const Error& error) {
  if (!error.native_code) return false;
  switch (primary(*error.native_code)) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
      return true;
    default:
      return false;
  }
}

bool is_out_of_space(const Error& error) {
  return error.native_code == SQLITE_FULL || error.native_code == SQLITE_IOERR_SHMSIZE;
}

Error out_of_space(std::uint64_t wanted_mib) {
  Error error = error_of(SQLITE_FULL, {});
  error.detail = "the disk that holds the journal is full; free at least " +
                 std::to_string(wanted_mib) + " MiB on it and it goes on by itself";
  return error;
}

bool is_damage(const Error& error) {
  if (!error.native_code) return false;
  const int code = primary(*error.native_code);
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

Error damage(const std::string& what) {
  Error error = error_of(SQLITE_CORRUPT, {});
  error.detail = what + "; " + std::string(way_out);
  return error;
}

Cursor::~Cursor() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Cursor::next() {
  if (error_ || statement_ == nullptr) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) check(code);
  return false;
}

Result<void> Cursor::result() const {
  if (error_) return std::unexpected(*error_);
  return {};
}

std::int64_t Cursor::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::optional<std::int64_t> Cursor::integer_or_null(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

std::string_view Cursor::view(int column) const {
  const auto* const text = sqlite3_column_blob(statement_, column);
  const int length = sqlite3_column_bytes(statement_, column);
  if (text == nullptr) return {};
  return {static_cast<const char*>(text), static_cast<std::size_t>(length)};
}

void Cursor::bind(int at, std::int64_t value) {
  if (!error_) check(sqlite3_bind_int64(statement_, at, value));
}

void Cursor::bind(int at, std::string_view value) {
  // A null pointer would bind NULL.
  const char* const text = value.data() == nullptr ? "" : value.data();
  if (!error_) {
    check(sqlite3_bind_text64(statement_, at, text, value.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
}

void Cursor::bind(int at, std::nullopt_t) {
  if (!error_) check(sqlite3_bind_null(statement_, at));
}

void Cursor::check(int code) {
  if (code == SQLITE_OK) return;
  sqlite3* const db = sqlite3_db_handle(statement_);
  error_ = error_of(last_code(db), sqlite3_errmsg(db));
}

void Connection::CloseConnection::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

void Connection::FinalizeStatement::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<Connection> Connection::open(const std::string& path, Mode mode) {
  sqlite3* db = nullptr;
  const int how = mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  const int code =
      sqlite3_open_v2(path.c_str(), &db, how | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  Connection connection(db);
  if (code != SQLITE_OK) {
    return std::unexpected(db == nullptr ? error_of(code, sqlite3_errstr(code))
                                         : connection.last_error(code));
  }
  sqlite3_extended_result_codes(db, 1);
  // SQLite opens for reading what it may not write.
  if (mode == Mode::read_write && sqlite3_db_readonly(db, "main") != 0) {
    return std::unexpected(error_of(SQLITE_READONLY, {}));
  }
  return connection;
}

Result<void> Connection::execute(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(last_error(code));
  return {};
}

Result<std::int64_t> Connection::integer(const char* sql) {
  Cursor cursor = query(sql);
  if (cursor.next()) return cursor.integer(0);
  if (!cursor.ok()) return std::unexpected(cursor.error());
  return fail(ErrorKind::internal, "a query for one number gave none");
}

void Connection::roll_back() {
  // All that can go wrong is that there is none any more.
  if (!in_autocommit()) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Connection::checkpoint() {
  // What cannot be moved now stays in the log, where it is as durable.
  sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

bool Connection::is_marked_for_log() const {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_FILE_POINTER, static_cast<void*>(&file));
  // The header's "file format write version": 2 with a write-ahead log, 1 without. Read through
  // SQLite's own descriptor: closing another one would drop its locks.
  unsigned char header[20] = {};
  if (file == nullptr || file->pMethods == nullptr ||
      file->pMethods->xRead(file, header, sizeof header, 0) != SQLITE_OK) {
    return true;  // whoever reads it next says why
  }
  return header[18] != 1;
}

bool Connection::in_autocommit() const {
  return sqlite3_get_autocommit(db_.get()) != 0;
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(db_.get());
}

std::int64_t Connection::total_changes() const {
  return sqlite3_total_changes64(db_.get());
}

void Connection::shrink() {
  sqlite3_db_release_memory(db_.get());
}

Result<void> Connection::copy_to(Connection& target, int pages_at_once,
                                 const std::function<Result<void>()>& after) {
  sqlite3_backup* const copying = sqlite3_backup_init(target.db_.get(), "main", db_.get(), "main");
  if (copying == nullptr) return std::unexpected(target.last_error(SQLITE_ERROR));
  Result<void> outcome;
  int code = SQLITE_OK;
  while (code == SQLITE_OK && outcome) {
    code = sqlite3_backup_step(copying, pages_at_once);
    if (code == SQLITE_OK || code == SQLITE_DONE) outcome = after();
  }
  sqlite3_backup_finish(copying);
  if (!outcome || code == SQLITE_DONE) return outcome;
  return std::unexpected(target.last_error(code));
}

Cursor Connection::prepared(const char* sql) {
  const auto known =
      std::ranges::find(statements_, sql, [](const auto& entry) { return entry.first; });
  if (known != statements_.end()) return {known->second.get(), std::nullopt};
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return {nullptr, last_error(code)};
  statements_.emplace_back(sql, Statement(statement));
  return {statement, std::nullopt};
}

Error Connection::last_error(int code) const {
  // What failed may have been the closing of what failed before.
  const bool is_last = primary(sqlite3_extended_errcode(db_.get())) == primary(code);
  return error_of(is_last ? last_code(db_.get()) : code, sqlite3_errmsg(db_.get()));
}

}  // namespace noforce::sqlite
