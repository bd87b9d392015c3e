# The API over a script (scripted_server.cpp), and those who mean it ill.
add_executable(test_scripted_server ${CMAKE_CURRENT_LIST_DIR}/scripted_server.cpp)
target_link_libraries(test_scripted_server PRIVATE minke_test_support minke::serve nlohmann_json::nlohmann_json)
minke_pch(test_scripted_server minke_test_support)
add_test(NAME serve.hostile_clients COMMAND sh -c
  "command -v python3 >/dev/null || { echo no python3; exit 77; }; exec python3 \"$0\" \"$1\"" ${CMAKE_CURRENT_LIST_DIR}/hostile_clients.py $<TARGET_FILE:test_scripted_server>)
set_tests_properties(serve.hostile_clients PROPERTIES LABELS unit TIMEOUT ${minke_timeout} SKIP_RETURN_CODE 77
  ENVIRONMENT MINKE_SANITIZED=${MINKE_SANITIZE})
