"""What tests share: real servers, processes of ours, clients. Nothing here asserts."""
