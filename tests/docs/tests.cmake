# Every ```sh test block of README.md and docs/*.md is run (run_blocks.sh), and every verb's help is held to its rules
# (help.sh). Both are shown planted faults first: a check that cannot fail checks nothing.
function(minke_docs_test name)
  add_test(NAME docs.${name} COMMAND bash ${ARGN})
  set_tests_properties(docs.${name} PROPERTIES LABELS docs TIMEOUT 600)
endfunction()

file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
foreach(page ${PROJECT_SOURCE_DIR}/README.md ${pages})
  get_filename_component(name ${page} NAME_WE)
  minke_docs_test(${name} ${CMAKE_CURRENT_LIST_DIR}/run_blocks.sh $<TARGET_FILE:minke> ${PROJECT_SOURCE_DIR} ${page})
endforeach()
minke_docs_test(run_blocks_selftest ${CMAKE_CURRENT_LIST_DIR}/run_blocks_selftest.sh ${PROJECT_SOURCE_DIR})
minke_docs_test(help ${CMAKE_CURRENT_LIST_DIR}/help.sh $<TARGET_FILE:minke> ${PROJECT_SOURCE_DIR})
minke_docs_test(help_selftest ${CMAKE_CURRENT_LIST_DIR}/help_selftest.sh ${PROJECT_SOURCE_DIR})
minke_docs_test(links ${CMAKE_CURRENT_LIST_DIR}/links.sh ${PROJECT_SOURCE_DIR})
