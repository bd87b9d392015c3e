target_link_libraries(minke_bench PRIVATE ${CMAKE_DL_LIBS})  # onednn.cpp looks for a library at run time
