# The program as a user runs it: each script gets the program and an empty folder.
file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/app/*_test.sh)
foreach(script ${scripts})
  get_filename_component(name ${script} NAME_WE)
  add_test(NAME app.${name} COMMAND bash ${script} $<TARGET_FILE:minke> ${PROJECT_SOURCE_DIR})
  set_tests_properties(app.${name} PROPERTIES LABELS app TIMEOUT ${minke_timeout} SKIP_RETURN_CODE 77
    ENVIRONMENT MINKE_SANITIZED=${MINKE_SANITIZE})
endforeach()
