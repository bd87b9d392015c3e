# The page of minke serve: its pure parts by node, and the whole in a headless Chromium against a server whose model is a script.
# Where there is no node, or no browser and axe-core (tests/page/browser.mjs says where they are looked for), the tests are skipped.
add_executable(test_page_server ${CMAKE_CURRENT_LIST_DIR}/page_server.cpp)
target_link_libraries(test_page_server PRIVATE minke_test_support minke::serve nlohmann_json::nlohmann_json)

add_test(NAME page.modules COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/modules_test.sh ${PROJECT_SOURCE_DIR})
set_tests_properties(page.modules PROPERTIES LABELS page TIMEOUT ${minke_timeout} SKIP_RETURN_CODE 77)

add_test(NAME page.browser COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/browser_test.sh $<TARGET_FILE:test_page_server> ${PROJECT_SOURCE_DIR})
set_tests_properties(page.browser PROPERTIES LABELS clients TIMEOUT ${minke_timeout} SKIP_RETURN_CODE 77)
