# The products of amx_bf16 with emulated tile registers (tests/kernels/amx_emulated.h).
if(TARGET minke_kernels_amx_bf16)
  add_library(minke_kernels_amx_emulated OBJECT ${PROJECT_SOURCE_DIR}/src/kernels/cpu/isa/gemm.cpp)
  target_include_directories(minke_kernels_amx_emulated PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(minke_kernels_amx_emulated PRIVATE MINKE_ISA=amx_emulated MINKE_AMX MINKE_AMX_EMULATED)
  target_compile_options(minke_kernels_amx_emulated PRIVATE -mavx2 -mfma -ffp-contract=off -Wno-psabi)
  target_sources(test_kernels PRIVATE $<TARGET_OBJECTS:minke_kernels_amx_emulated>)
endif()
