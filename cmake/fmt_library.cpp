// fmt, compiled once. As a header-only library it would be compiled in every file that formats,
// and its shared library is none that an extension may depend on.
#include <fmt/format-inl.h>

// What numbers need and no function of that header uses itself.
template fmt::detail::thousands_sep_result<char> fmt::detail::thousands_sep_impl<char>(locale_ref);
template char fmt::detail::decimal_point_impl<char>(locale_ref);
