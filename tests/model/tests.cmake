target_link_libraries(test_model PRIVATE minke::infer)
