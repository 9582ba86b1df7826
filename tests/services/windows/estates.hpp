// The two estates that the tests stand on: the services of IIS 6 with Exchange 2003, and those of
// IIS 7 and later, with the dependencies and processes that they have there.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace services::windows {

struct EstateService {
  std::string_view name;
  std::string_view display_name;
  // Services with the same process share one (SERVICE_WIN32_SHARE_PROCESS); empty: one of its own.
  std::string_view process;
  std::vector<std::string_view> depends_on;
  std::string_view load_group;
  bool automatic = true;
};

struct Estate {
  std::string_view name;
  std::vector<EstateService> services;  // each after what it depends on
};

// What of Windows the estates depend on (LanmanServer, which MSExchangeSA needs too, is there and disabled
// under Wine, so it is left out). A system that has not got one of these gets a stand-in, hosted
// as the others are.
inline constexpr std::string_view kOfWindows[] = {
    "RpcSs", "SamSs", "HTTP", "EventLog", "EXIFS", "RpcLocator", "NtLmSsp", "LanmanWorkstation"};

inline const Estate kIis6{
    "iis6",
    {
        {"IISADMIN", "IIS Admin Service", "inetinfo", {"RpcSs", "SamSs"}, "", true},
        {"HTTPFilter", "HTTP SSL", "", {"HTTP"}, "", true},
        {"W3SVC",
         "World Wide Web Publishing Service",
         "",
         {"RpcSs", "HTTPFilter", "IISADMIN"},
         "",
         true},
        {"SMTPSVC", "Simple Mail Transfer Protocol (SMTP)", "inetinfo", {"IISADMIN"}, "", true},
        {"POP3SVC", "Microsoft Exchange POP3", "inetinfo", {"IISADMIN"}, "", true},
        {"IMAP4Svc", "Microsoft Exchange IMAP4", "inetinfo", {"IISADMIN"}, "", true},
        {"NNTPSVC", "Network News Transfer Protocol (NNTP)", "inetinfo", {"IISADMIN"}, "", true},
        {"MSFTPSVC", "FTP Publishing Service", "inetinfo", {"IISADMIN"}, "", false},
        {"RESvc", "Microsoft Exchange Routing Engine", "inetinfo", {"IISADMIN"}, "", true},
        {"MSExchangeSA",
         "Microsoft Exchange System Attendant",
         "",
         {"RpcSs", "RpcLocator", "NtLmSsp", "LanmanWorkstation", "EventLog"},
         "",
         true},
        {"MSExchangeIS",
         "Microsoft Exchange Information Store",
         "",
         {"EXIFS", "MSExchangeSA"},
         "",
         true},
        {"MSExchangeMTA",
         "Microsoft Exchange MTA Stacks",
         "",
         {"IISADMIN", "MSExchangeSA"},
         "",
         true},
        {"AntiSpam", "Anti-spam for SMTP", "", {"SMTPSVC"}, "", true},
    }};

inline const Estate kIis7{
    "iis7",
    {
        {"IISADMIN", "IIS Admin Service", "inetinfo", {"RpcSs", "SamSs", "HTTP"}, "", true},
        {"WAS", "Windows Process Activation Service", "iissvcs", {"RpcSs"}, "", true},
        {"W3SVC", "World Wide Web Publishing Service", "iissvcs", {"WAS", "HTTP"}, "", true},
        {"MSMQ", "Message Queuing", "", {"RpcSs"}, "", true},
        {"NetTcpPortSharing", "Net.Tcp Port Sharing Service", "smsvchost", {}, "", true},
        {"NetTcpActivator",
         "Net.Tcp Listener Adapter",
         "smsvchost",
         {"NetTcpPortSharing", "WAS"},
         "",
         true},
        {"NetPipeActivator", "Net.Pipe Listener Adapter", "smsvchost", {"WAS"}, "", true},
        {"NetMsmqActivator", "Net.Msmq Listener Adapter", "smsvchost", {"MSMQ", "WAS"}, "", true},
        {"FTPSVC", "Microsoft FTP Service", "", {}, "", true},
        {"WMSVC", "Web Management Service", "", {"HTTP"}, "", false},
    }};

}  // namespace services::windows
