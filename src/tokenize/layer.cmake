# PCRE2 splits by any regex that has no hand-written splitter; ICU normalises (NFC …).
find_path(PCRE2_INCLUDE pcre2.h REQUIRED)
find_library(PCRE2_LIBRARY pcre2-8 REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc)
target_include_directories(minke_tokenize PRIVATE ${PCRE2_INCLUDE})
target_link_libraries(minke_tokenize PRIVATE ${PCRE2_LIBRARY} ICU::uc)
