// A program for the tests of hooks on Windows. Its first argument says what it does:
//   say TEXT STATUS     prints the text, ends with the status
//   arguments ...       prints the others, one a line, in brackets
//   variables           prints the names of its environment variables
//   obey FILE           waits for Ctrl-Break, writes the file then and ends
//   ignore MS FILE      takes no notice of Ctrl-Break, writes the file after so long and ends
#include <windows.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

HANDLE told = nullptr;

BOOL WINAPI on_break(DWORD) {
  SetEvent(told);
  return TRUE;
}

void write(const wchar_t* path) {
  std::FILE* const file = _wfopen(path, L"w");
  if (file == nullptr) std::exit(9);
  std::fputs("done", file);
  std::fclose(file);
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  if (argc < 2) return 9;
  const std::wstring what = argv[1];
  if (what == L"say" && argc == 4) {
    std::printf("%ls\n", argv[2]);
    return std::atoi(std::string(argv[3], argv[3] + std::wcslen(argv[3])).c_str());
  }
  if (what == L"arguments") {
    for (int i = 2; i < argc; ++i)
      std::printf("[%ls]", argv[i]);
    std::printf("\n");
    return 1;
  }
  if (what == L"variables") {
    wchar_t* const block = GetEnvironmentStringsW();
    for (const wchar_t* each = block; *each != L'\0'; each += std::wcslen(each) + 1) {
      const std::wstring text = each;
      if (text.front() != L'=') std::printf("%ls ", text.substr(0, text.find(L'=')).c_str());
    }
    FreeEnvironmentStringsW(block);
    std::printf("\n");
    return 1;
  }
  told = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  SetConsoleCtrlHandler(on_break, TRUE);
  if (what == L"obey" && argc == 3) {
    std::printf("waiting\n");
    std::fflush(stdout);
    constexpr DWORD patience = 20'000;  // so that nothing is left of a test that failed
    if (WaitForSingleObject(told, patience) != WAIT_OBJECT_0) return 8;
    write(argv[2]);
    return 0;
  }
  if (what == L"ignore" && argc == 4) {
    Sleep(static_cast<DWORD>(std::wcstoul(argv[2], nullptr, 10)));
    write(argv[3]);
    return 0;
  }
  return 9;
}
