"""What is trained or tested: names to factories, LeNet, and the first layer of any network."""
