# cpu/isa/*.cpp once per instruction set, as object libraries joined to minke_kernels; cpu/backend.cpp picks at start-up.
# No contraction: fma() where it is meant. No exceptions or RTTI: these objects may define no weak symbol at all
# (tests/kernels/cpu_isa_test.cpp reads them with nm).
set(isas baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  list(APPEND isas avx2 avx2_vnni avx512 avx512_vnni avx512_bf16 amx_bf16)
endif()
set(flags_baseline "")
set(flags_avx2 -mavx2 -mfma -mf16c)
set(flags_avx512 ${flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
set(flags_avx2_vnni ${flags_avx2} -mavxvnni)
set(flags_avx512_vnni ${flags_avx512} -mavx512vnni)
set(flags_avx512_bf16 ${flags_avx512_vnni} -mavx512bf16)
set(flags_amx_bf16 ${flags_avx512_bf16} -DMINKE_AMX)
# What these have of their own; all else is that of avx2, avx512, avx512_bf16 (cpu/backend.cpp).
set(sources_avx2_vnni integer_gemm peak)
set(sources_avx512_vnni integer_gemm peak)
set(sources_avx512_bf16 gemm attention attention_backward cached latents rows streams peak)
set(sources_amx_bf16 gemm attention attention_backward cached peak)
foreach(isa ${isas})
  if(sources_${isa})
    list(TRANSFORM sources_${isa} REPLACE "(.+)" "${CMAKE_CURRENT_LIST_DIR}/cpu/isa/\\1.cpp")
  else()
    set(sources_${isa} ${isa_sources})
  endif()
  add_library(minke_kernels_${isa} OBJECT ${sources_${isa}})
  target_include_directories(minke_kernels_${isa} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(minke_kernels_${isa} PRIVATE MINKE_ISA=${isa})
  target_compile_options(minke_kernels_${isa} PRIVATE ${flags_${isa}} -ffp-contract=off -fno-math-errno -fno-trapping-math
    -fno-exceptions -fno-rtti -Wno-psabi)
  if(MINKE_SANITIZE AND isa MATCHES "_vnni$")  # takes clang minutes; the same lines of avx2 and avx512 are sanitized
    target_compile_options(minke_kernels_${isa} PRIVATE -fno-sanitize=all)
  endif()
  if(CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(minke_kernels_${isa} PRIVATE -O2)  # unoptimised register tiles are 50 times slower
  endif()
  target_sources(minke_kernels PRIVATE $<TARGET_OBJECTS:minke_kernels_${isa}>)
endforeach()
