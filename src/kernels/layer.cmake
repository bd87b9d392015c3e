# cpu/isa/*.cpp once per instruction set, as object libraries joined to minke_kernels; cpu/backend.cpp picks at start-up.
# No contraction: fma() where it is meant. No exceptions or RTTI: these objects may define no weak symbol at all
# (tests/kernels/cpu_isa_test.cpp reads them with nm).
set(isas baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  list(APPEND isas avx2 avx512 avx512_bf16 amx_bf16)
endif()
set(flags_baseline "")
set(flags_avx2 -mavx2 -mfma -mf16c)
set(flags_avx512 ${flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
set(flags_avx512_bf16 ${flags_avx512} -mavx512bf16 -mavx512vnni)
# Products and attention through tile registers; all else is avx512_bf16's.
set(flags_amx_bf16 ${flags_avx512_bf16} -DMINKE_AMX)
set(sources_amx_bf16 gemm attention attention_backward cached peak)
list(TRANSFORM sources_amx_bf16 REPLACE "(.+)" "${CMAKE_CURRENT_LIST_DIR}/cpu/isa/\\1.cpp")
foreach(isa ${isas})
  if(NOT sources_${isa})
    set(sources_${isa} ${isa_sources})
  endif()
  add_library(minke_kernels_${isa} OBJECT ${sources_${isa}})
  target_include_directories(minke_kernels_${isa} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(minke_kernels_${isa} PRIVATE MINKE_ISA=${isa})
  target_compile_options(minke_kernels_${isa} PRIVATE ${flags_${isa}} -ffp-contract=off -fno-math-errno -fno-trapping-math
    -fno-exceptions -fno-rtti -Wno-psabi)
  if(CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(minke_kernels_${isa} PRIVATE -O2)  # unoptimised register tiles are 50 times slower
  endif()
  target_sources(minke_kernels PRIVATE $<TARGET_OBJECTS:minke_kernels_${isa}>)
endforeach()
