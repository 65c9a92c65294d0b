"""The paper's own tables (K2-Think, arXiv 2509.07604) as reference data, each cell with its source and its flag."""
