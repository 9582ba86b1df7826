// The journal's tables, and how a file gets them.
#pragma once

#include <span>
#include <string>

#include "core/error.hpp"
#include "core/sqlite.hpp"

namespace noforce {

// The schema that this version writes (PRAGMA user_version).
inline constexpr int journal_schema_version = 1;

// Step n brings schema n to n + 1.
[[nodiscard]] std::span<const char* const> journal_migrations();
// Brings a file to schema `steps.size()`, in one transaction: the old one is good until the new one
// is. Refuses a newer one with a sentence. A parameter, so that a test can be a later version.
[[nodiscard]] Result<void> migrate_journal(sqlite::Connection& db,
                                           std::span<const char* const> steps);

// Makes the file if there is none (mode 0600). Refuses what is no regular file, a symbolic link,
// or another user's; takes group's and others' rights away. Returns the path without symbolic
// links in it. One file a platform: journal_file_linux.cpp.
[[nodiscard]] Result<std::string> prepare_journal_file(const std::string& path);

// Opens the writing connection, in WAL mode, with today's schema.
[[nodiscard]] Result<sqlite::Connection> open_journal_writer(const std::string& path);
// Whether what is open is a journal of today's schema, with its tables.
[[nodiscard]] Result<void> check_journal(sqlite::Connection& db);
[[nodiscard]] Result<sqlite::Connection> open_journal_reader(const std::string& path);

}  // namespace noforce
