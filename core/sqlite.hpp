// SQLite, as thin as it can be: a connection and a statement are unique types, and what goes wrong
// is an Error with SQLite's extended code and its name. Only core/journal*.cpp include this.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace noforce::sqlite {

// "SQLITE_FULL", "SQLITE_IOERR_WRITE" ...: the name of a result code, or of its primary one.
[[nodiscard]] std::string_view code_name(int code);
// journal_unavailable with a sentence; `message` is SQLite's own.
[[nodiscard]] Error error_of(int code, std::string_view message);
// The disk under the file, or the file itself, is at fault, and not this one statement.
[[nodiscard]] bool is_storage_failure(const Error& error);
// The disk, or what this user may have of it, is full. And the Error to say so with: how many MiB
// must be free before it goes on.
[[nodiscard]] bool is_out_of_space(const Error& error);
[[nodiscard]] Error out_of_space(std::uint64_t wanted_mib);
// What the file holds is no longer what was written. And the Error to say so with.
[[nodiscard]] bool is_damage(const Error& error);
[[nodiscard]] Error damage(const std::string& what);

// One run of a statement: rows one after the other, then reset for the next user. A failure
// (also one of preparing or binding) ends the rows and is kept.
class Cursor {
 public:
  Cursor(Cursor&& other) noexcept
      : statement_(std::exchange(other.statement_, nullptr)), error_(std::move(other.error_)) {}
  Cursor& operator=(Cursor&&) = delete;
  ~Cursor();

  // True: there is a row. False: no more, or it failed.
  [[nodiscard]] bool next();
  [[nodiscard]] bool ok() const { return !error_; }
  [[nodiscard]] const Error& error() const { return *error_; }
  // What the cursor ended with, for `return cursor.result();`.
  [[nodiscard]] Result<void> result() const;

  // Columns of the present row, from 0. A view lives until next().
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::optional<std::int64_t> integer_or_null(int column) const;
  [[nodiscard]] std::string_view view(int column) const;
  [[nodiscard]] std::string text(int column) const { return std::string(view(column)); }

 private:
  friend class Connection;
  Cursor(sqlite3_stmt* statement, std::optional<Error> error)
      : statement_(statement), error_(std::move(error)) {}

  void bind(int at, std::int64_t value);
  void bind(int at, int value) { bind(at, static_cast<std::int64_t>(value)); }
  void bind(int at, bool value) { bind(at, static_cast<std::int64_t>(value)); }
  void bind(int at, std::uint64_t value) { bind(at, static_cast<std::int64_t>(value)); }
  void bind(int at, const char* value) { bind(at, std::string_view(value)); }
  void bind(int at, std::string_view value);  // not copied: outlives the cursor
  void bind(int at, std::nullopt_t);
  template <typename T>
  void bind(int at, const std::optional<T>& value) {
    if (value) {
      bind(at, *value);
    } else {
      bind(at, std::nullopt);
    }
  }
  void check(int code);

  sqlite3_stmt* statement_;
  std::optional<Error> error_;
};

// One thread at a time.
class Connection {
 public:
  enum class Mode : std::uint8_t { read_write, read_only };
  // The file must exist; no component of `path` may be a symbolic link.
  [[nodiscard]] static Result<Connection> open(const std::string& path, Mode mode);

  // Statements without parameters and rows of interest; not kept.
  [[nodiscard]] Result<void> execute(const char* sql);
  // Prepared once and kept. `sql` is a literal: its address is what it is found by. Text arguments
  // are not copied and must outlive the cursor.
  template <typename... Arguments>
  [[nodiscard]] Cursor query(const char* sql, const Arguments&... arguments) {
    Cursor cursor = prepared(sql);
    int at = 0;
    (cursor.bind(++at, arguments), ...);
    return cursor;
  }
  // The same to its end, rows ignored.
  template <typename... Arguments>
  [[nodiscard]] Result<void> run(const char* sql, const Arguments&... arguments) {
    Cursor cursor = query(sql, arguments...);
    while (cursor.next()) {
    }
    return cursor.result();
  }
  // The one integer of a query's first row.
  [[nodiscard]] Result<std::int64_t> integer(const char* sql);

  // Ends a transaction, if there is one, without its changes.
  void roll_back();
  // Moves what it can of the log into the database without waiting for anybody.
  void checkpoint();
  // False for a file that says of itself that it has no write-ahead log. To be asked before anything
  // else is.
  [[nodiscard]] bool is_marked_for_log() const;
  // False within a transaction; some failures end one by themselves.
  [[nodiscard]] bool in_autocommit() const;
  // Rows that the last INSERT, UPDATE or DELETE changed.
  [[nodiscard]] std::int64_t changes() const;
  // Rows changed since the connection was opened, whether or not that was undone.
  [[nodiscard]] std::int64_t total_changes() const;
  // Gives cached pages back.
  void shrink();
  // Copies all pages to an empty database, some at once, and calls `after` after each time. Within a
  // transaction, what it sees is what is copied.
  [[nodiscard]] Result<void> copy_to(Connection& target, int pages_at_once,
                                     const std::function<Result<void>()>& after);

 private:
  struct CloseConnection {
    void operator()(sqlite3* db) const;
  };
  struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

  explicit Connection(sqlite3* db) : db_(db) {}
  [[nodiscard]] Cursor prepared(const char* sql);
  [[nodiscard]] Error last_error(int code) const;

  std::unique_ptr<sqlite3, CloseConnection> db_;
  std::vector<std::pair<const char*, Statement>> statements_;  // finalized before db_ closes
};

}  // namespace noforce::sqlite
