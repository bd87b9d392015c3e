# ICU normalises (NFC …), and knows scripts, blocks and case folding.
find_package(ICU REQUIRED COMPONENTS uc)
target_link_libraries(minke_tokenize PRIVATE ICU::uc)
