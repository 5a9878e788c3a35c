"""What AWS answers and moto does not: one module per service, a moto response class with methods added or replaced."""
