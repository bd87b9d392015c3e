# OpenAI's own clients, unchanged. They come from package registries, so they are not there on every machine: MINKE_CLIENT_TOOLS names a
# folder with them (client_test.sh says how it is made); without them these tests are skipped.
foreach(language python node)
  add_test(NAME clients.${language} COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/client_test.sh $<TARGET_FILE:minke> ${PROJECT_SOURCE_DIR}
    $<TARGET_FILE:test_scripted_server> ${language})
  set_tests_properties(clients.${language} PROPERTIES LABELS clients TIMEOUT ${minke_timeout} SKIP_RETURN_CODE 77)
endforeach()
