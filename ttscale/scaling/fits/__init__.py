"""Laws fitted to curves: choice by back-test, the stacked average, predictions, ranking."""
