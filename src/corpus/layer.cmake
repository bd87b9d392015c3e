# g++ 12 reports overlapping copies in std::string operator+ that are not there (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(minke_corpus PRIVATE -Wno-restrict)
endif()
